//! Checks the grammar of JSON (RFC 8259) byte by byte, for an object. It is pure, and must not know which
//! fields matter.

/// This is the deepest nesting, which is the limit of serde_json.
const DEEPEST: u32 = 127;

/// Says what a byte means for the fields of the object itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Event {
    None,
    /// The byte belongs to a field's name, including its quotes and escapes.
    Name,
    NameEnds,
    /// The byte belongs to the name of an inner field: one of an object that is a field's value.
    InnerName,
    InnerNameEnds,
    /// A field's value ends with this byte.
    ValueEnds,
    /// A field's value ended before this byte.
    ValueEnded,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Grammar {
    expects: Expects,
    /// Holds the open objects and lists, with the innermost in the lowest bit: 1 for an object, 0 for a
    /// list.
    objects: u128,
    depth: u32,
    too_deep: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Expects {
    #[default]
    Object,
    /// The first name or the object's end must follow.
    FirstName,
    Name,
    Colon,
    /// The first item or the list's end must follow.
    FirstItem,
    Value,
    /// A comma, or the end of the innermost open object or list, must follow.
    After,
    Text(TextKind),
    Escaped(TextKind),
    /// This many hexadecimal digits must follow.
    Code(TextKind, u8),
    /// The rest of `true`, `false` or `null` must follow.
    Word(&'static [u8]),
    Number(Number),
    /// Nothing may follow, because the object has ended.
    Nothing,
}

/// Says whether a string is a name or a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum TextKind {
    Name,
    Value,
}

/// This is the part of a number that has been read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Number {
    Minus,
    Zero,
    Digits,
    Point,
    Fraction,
    E,
    Sign,
    Exponent,
}

impl Number {
    fn then(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Minus, b'0') => Self::Zero,
            (Self::Minus, b'1'..=b'9') | (Self::Digits, b'0'..=b'9') => Self::Digits,
            (Self::Zero | Self::Digits, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Digits | Self::Fraction, b'e' | b'E') => Self::E,
            (Self::E, b'+' | b'-') => Self::Sign,
            (Self::E | Self::Sign | Self::Exponent, b'0'..=b'9') => Self::Exponent,
            _ => return None,
        })
    }

    fn is_whole(self) -> bool {
        matches!(
            self,
            Self::Zero | Self::Digits | Self::Fraction | Self::Exponent
        )
    }
}

impl Grammar {
    pub(super) fn is_whole(&self) -> bool {
        self.expects == Expects::Nothing
    }

    /// Returns whether the body was refused because its nesting is too deep.
    pub(super) fn is_too_deep(&self) -> bool {
        self.too_deep
    }

    /// Returns how many of these bytes have no meaning, because they are inside a string value.
    pub(super) fn plain(&self, bytes: &[u8]) -> usize {
        if self.expects != Expects::Text(TextKind::Value) {
            return 0;
        }
        let ends = |b: &u8| matches!(*b, b'"' | b'\\' | ..0x20);
        bytes.iter().position(ends).unwrap_or(bytes.len())
    }

    /// Takes the next byte. `None` means that the body is not JSON.
    pub(super) fn step(&mut self, byte: u8) -> Option<Event> {
        let space = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let depth = self.depth;
        let name = |of| match (of, depth) {
            (TextKind::Name, 1) => Event::Name,
            (TextKind::Name, 2) => Event::InnerName,
            _ => Event::None,
        };
        match self.expects {
            Expects::Object
            | Expects::FirstName
            | Expects::Name
            | Expects::Colon
            | Expects::FirstItem
            | Expects::Value
            | Expects::After
            | Expects::Nothing
                if space => {}
            Expects::Object if byte == b'{' => self.open(true)?,
            Expects::FirstName if byte == b'}' => return Some(self.close()),
            Expects::FirstName | Expects::Name if byte == b'"' => {
                self.expects = Expects::Text(TextKind::Name);
                return Some(name(TextKind::Name));
            }
            Expects::Colon if byte == b':' => self.expects = Expects::Value,
            Expects::FirstItem if byte == b']' => return Some(self.close()),
            Expects::FirstItem | Expects::Value => self.begin(byte)?,
            Expects::After => return self.after(byte),
            Expects::Text(of) => match byte {
                b'"' => return Some(self.text_ends(of)),
                b'\\' => {
                    self.expects = Expects::Escaped(of);
                    return Some(name(of));
                }
                ..0x20 => return None,
                _ => return Some(name(of)),
            },
            Expects::Escaped(of) => {
                self.expects = match byte {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Expects::Text(of),
                    b'u' => Expects::Code(of, 4),
                    _ => return None,
                };
                return Some(name(of));
            }
            Expects::Code(of, left) => {
                self.expects = match left {
                    _ if !byte.is_ascii_hexdigit() => return None,
                    ..=1 => Expects::Text(of),
                    _ => Expects::Code(of, left - 1),
                };
                return Some(name(of));
            }
            Expects::Word(rest) => match rest.split_first() {
                Some((next, [])) if *next == byte => return Some(self.ends(Event::ValueEnds)),
                Some((next, rest)) if *next == byte => self.expects = Expects::Word(rest),
                _ => return None,
            },
            Expects::Number(number) => {
                if let Some(number) = number.then(byte) {
                    self.expects = Expects::Number(number);
                } else {
                    return self.number_ended(number, byte);
                }
            }
            _ => return None,
        }
        Some(Event::None)
    }

    fn open(&mut self, object: bool) -> Option<()> {
        if self.depth == DEEPEST {
            self.too_deep = true;
            return None;
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
        self.expects = match object {
            true => Expects::FirstName,
            false => Expects::FirstItem,
        };
        Some(())
    }

    fn close(&mut self) -> Event {
        self.depth = self.depth.saturating_sub(1);
        self.objects >>= 1;
        if self.depth == 0 {
            self.expects = Expects::Nothing;
            return Event::None;
        }
        self.ends(Event::ValueEnds)
    }

    /// Ends a value.
    fn ends(&mut self, event: Event) -> Event {
        self.expects = Expects::After;
        match self.depth {
            1 => event,
            _ => Event::None,
        }
    }

    fn text_ends(&mut self, of: TextKind) -> Event {
        if of == TextKind::Value {
            return self.ends(Event::ValueEnds);
        }
        self.expects = Expects::Colon;
        match self.depth {
            1 => Event::NameEnds,
            // This cannot be in a list, because a list has no names.
            2 => Event::InnerNameEnds,
            _ => Event::None,
        }
    }

    fn begin(&mut self, byte: u8) -> Option<()> {
        self.expects = match byte {
            b'{' => return self.open(true),
            b'[' => return self.open(false),
            b'"' => Expects::Text(TextKind::Value),
            b't' => Expects::Word(b"rue"),
            b'f' => Expects::Word(b"alse"),
            b'n' => Expects::Word(b"ull"),
            b'-' => Expects::Number(Number::Minus),
            b'0' => Expects::Number(Number::Zero),
            b'1'..=b'9' => Expects::Number(Number::Digits),
            _ => return None,
        };
        Some(())
    }

    fn after(&mut self, byte: u8) -> Option<Event> {
        let in_object = self.objects & 1 == 1;
        match (byte, in_object) {
            (b',', true) => self.expects = Expects::Name,
            (b',', false) => self.expects = Expects::Value,
            (b'}', true) | (b']', false) => return Some(self.close()),
            _ => return None,
        }
        Some(Event::None)
    }

    /// Ends a number at a byte that is not part of it, and that may end the object or list around it.
    fn number_ended(&mut self, number: Number, byte: u8) -> Option<Event> {
        if !number.is_whole() {
            return None;
        }
        let ended = self.ends(Event::ValueEnded);
        let event = self.step(byte)?;
        Some(match ended {
            Event::None => event,
            ended => ended,
        })
    }
}
