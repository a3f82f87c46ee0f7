//! Reads a JSON object while it arrives, and keeps only the fields that routes read, so that a body of any
//! length takes little memory. It is pure, and must not know what the fields mean.
//!
//! It accepts only JSON as in RFC 8259, so that no program behind finds another field in it. A field that
//! occurs twice, or also in another case, is refused by its name, since programs differ over which one they
//! take. Values that aren't kept need not be UTF-8, because nothing is read from them.

mod grammar;
#[cfg(test)]
mod tests;

use super::{
    Unrouted,
    body::{Fields, NO_OBJECT, TOO_DEEP},
};
use grammar::{Event, Grammar};

/// A field name is compared only up to this length as written, in bytes. The longest known name has 144
/// with each letter as an escape.
const LONGEST_NAME: usize = 192;
/// At most this many bytes are kept in total.
const MOST_KEPT: usize = 64 * 1024;

struct Field {
    name: &'static str,
    twice: Unrouted,
    spelled: Unrouted,
}

macro_rules! fields {
    ($($name:literal),+) => {
        &[$(Field {
            name: $name,
            twice: Unrouted::Body(concat!($name, ": must be there once")),
            spelled: Unrouted::Body(concat!(
                $name,
                ": must be there in this spelling alone; some programs take another case for the same"
            )),
        }),+]
    };
}

/// These are the fields by which routes find what a request is about.
const OWN: &[Field] = fields!(
    "operation",
    "type",
    "name",
    "organization",
    "namespace",
    "fromRepo",
    "toRepo",
    "model",
    "repository",
    "target"
);

/// From these fields some model servers take other weights than `model` names: an adapter, or another model
/// when that one fails.
const OTHERS: &[Field] = fields!(
    "lora",
    "lora_path",
    "lora_request",
    "lora_name",
    "lora_id",
    "adapter_id",
    "merged_adapters",
    "models",
    "fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "sampling_parameters",
    "lora_task_id",
    "deployment_id",
    "model_id",
    "user_config"
);

/// From these objects some servers also read fields that name a model. TGI, LoRAX, Triton and KServe read
/// the first, and LiteLLM reads the others.
const NESTS: [&str; 3] = ["parameters", "extra_body", "router_settings_override"];

/// Says what the scan does with the inner fields of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Inner {
    /// No server reads them.
    #[default]
    Other,
    /// The value must be an object or null, because some servers also read JSON in a string or a list.
    NestBegins,
    Nest,
    /// The field names a model unless its value is null.
    Names,
}

/// Holds a body as far as it has arrived.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scan {
    grammar: Grammar,
    /// This is the name of the field that is being read, as it is written.
    name: Vec<u8>,
    /// Holds one bit for each known field that was found.
    found: u32,
    /// This is an object of the known fields, without its closing brace.
    kept: Vec<u8>,
    keeps: bool,
    inner: Inner,
    /// Some inner field names another model.
    nested: bool,
    wrong: Option<Unrouted>,
}

impl Scan {
    pub fn read(bytes: &[u8]) -> Self {
        let mut scan = Self::default();
        scan.feed(bytes);
        scan
    }

    /// Takes the next piece. It returns whether more pieces can be of use.
    pub fn feed(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while self.wrong.is_none() {
            if !self.keeps {
                // Most of a long body is one string.
                let plain = self.grammar.plain(rest);
                rest = rest.get(plain..).unwrap_or_default();
            }
            let Some((byte, after)) = rest.split_first() else {
                return true;
            };
            rest = after;
            self.wrong = self.step(*byte).err();
        }
        false
    }

    pub(super) fn fields(&self) -> Result<Fields, Unrouted> {
        match self.wrong {
            Some(wrong) => Err(wrong),
            None if !self.grammar.is_whole() => Err(NO_OBJECT),
            None if self.kept.is_empty() && !self.nested => Ok(Fields::default()),
            None => {
                let nested = match (self.nested, self.kept.is_empty()) {
                    (false, _) => "",
                    (true, true) => "{\"nested\":1",
                    (true, false) => ",\"nested\":1",
                };
                let object = [&self.kept[..], nested.as_bytes(), b"}"].concat();
                serde_json::from_slice(&object).map_err(|_| NO_OBJECT)
            }
        }
    }

    fn step(&mut self, byte: u8) -> Result<(), Unrouted> {
        if self.keeps {
            self.kept.push(byte);
            if self.kept.len() > MOST_KEPT {
                return Err(Unrouted::BodyTooLong);
            }
        }
        let Some(event) = self.grammar.step(byte) else {
            return Err(match self.grammar.is_too_deep() {
                true => TOO_DEEP,
                false => NO_OBJECT,
            });
        };
        let awaits = matches!(self.inner, Inner::NestBegins | Inner::Names);
        if awaits && !matches!(byte, b':' | b' ' | b'\t' | b'\n' | b'\r') {
            self.value_begins(byte);
        }
        match event {
            Event::None => {}
            Event::InnerName | Event::InnerNameEnds if self.inner == Inner::Other => {}
            Event::InnerNameEnds => {
                self.name.push(byte);
                self.inner_named()?;
                self.name.clear();
            }
            Event::Name | Event::InnerName if self.name.len() <= LONGEST_NAME => {
                self.name.push(byte)
            }
            Event::Name | Event::InnerName => {}
            Event::NameEnds => {
                self.name.push(byte);
                self.inner = Inner::Other;
                self.parse_name()?;
                self.name.clear();
            }
            Event::ValueEnds => self.keeps = false,
            Event::ValueEnded => {
                // The byte that ended the value is not part of it.
                if std::mem::take(&mut self.keeps) {
                    self.kept.pop();
                }
            }
        }
        Ok(())
    }

    /// Judges an awaited value by its first byte.
    fn value_begins(&mut self, byte: u8) {
        match self.inner {
            Inner::Other | Inner::Nest => return,
            Inner::NestBegins => self.nested |= !matches!(byte, b'{' | b'n'),
            Inner::Names => self.nested |= byte != b'n',
        }
        self.inner = Inner::Nest;
    }

    fn parse_name(&mut self) -> Result<(), Unrouted> {
        if self.name.len() > LONGEST_NAME {
            return Ok(());
        }
        let name: String = serde_json::from_slice(&self.name).map_err(|_| NO_OBJECT)?;
        let folded = folded(&name);
        if NESTS.iter().any(|nest| nest.eq_ignore_ascii_case(&folded)) {
            self.inner = Inner::NestBegins;
        }
        let all = OWN.iter().chain(OTHERS).enumerate();
        let mut known = all.filter(|(_, field)| field.name.eq_ignore_ascii_case(&folded));
        let Some((place, field)) = known.next() else {
            return Ok(());
        };
        let bit = 1 << place;
        if field.name != name {
            return Err(field.spelled);
        }
        if self.found & bit != 0 {
            return Err(field.twice);
        }
        self.found |= bit;
        self.kept
            .push(if self.kept.is_empty() { b'{' } else { b',' });
        self.kept.push(b'"');
        self.kept.extend_from_slice(field.name.as_bytes());
        // The bytes that follow begin with the colon.
        self.kept.push(b'"');
        self.keeps = true;
        Ok(())
    }
}

impl Scan {
    /// Notes an inner field that names another model. None may be there, so it does not matter which or how
    /// often.
    fn inner_named(&mut self) -> Result<(), Unrouted> {
        if self.name.len() > LONGEST_NAME {
            return Ok(());
        }
        let name: String = serde_json::from_slice(&self.name).map_err(|_| NO_OBJECT)?;
        let folded = folded(&name);
        // A nest inside a nest counts too: the scan looks no deeper, and the names could be in it.
        let others = OTHERS.iter().map(|field| field.name);
        let mut names = others.chain(NESTS).chain(["model"]);
        if names.any(|known| known.eq_ignore_ascii_case(&folded)) {
            self.inner = Inner::Names;
        }
        Ok(())
    }
}

/// Returns the names of the fields that lead to another model.
#[cfg(test)]
pub(super) fn others() -> impl Iterator<Item = &'static str> {
    OTHERS.iter().map(|field| field.name)
}

/// Folds a name down and up again, because the long s and the Kelvin sign are also letters of the alphabet
/// in another case.
fn folded(name: &str) -> String {
    name.to_lowercase().to_uppercase()
}
