//! This file makes closed lists: enums whose members have a number, which is stored and sent, a word,
//! or both.

/// Makes an enum of members `Variant = number;`, `Variant = number, "word";` or `Variant, "word";`.
/// Numbers and words must never change.
macro_rules! closed_list {
    ($(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $number:literal, $word:literal;)+ }) => {
        $crate::closed::closed_list!($(#[$doc])* $name { $($(#[$note])* $variant = $number;)+ });
        $crate::closed::closed_list!(@words $name { $($variant, $word;)+ });
    };
    ($(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $number:literal;)+ }) => {
        $crate::closed::closed_list!(@list $(#[$doc])* #[repr(u8)] $name { $($(#[$note])* $variant = $number;)+ });

        impl $name {
            /// Returns `None` for 0 and for every number that isn't listed.
            pub fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// Returns the number that is stored and sent. It never changes.
            pub fn number(self) -> u32 {
                self as u8 as u32
            }
        }

        impl From<$name> for i32 {
            /// Returns the number, in the type that generated messages use.
            fn from(it: $name) -> Self {
                Self::from(it as u8)
            }
        }
    };
    ($(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $variant:ident, $word:literal;)+ }) => {
        $crate::closed::closed_list!(@list $(#[$doc])* $name { $($(#[$note])* $variant;)+ });
        $crate::closed::closed_list!(@words $name { $($variant, $word;)+ });
    };
    (@list $(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $variant:ident $(= $number:literal)?;)+ }) => {
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        $(#[$doc])*
        pub enum $name {
            $($(#[$note])* $variant $(= $number)?),+
        }

        impl $name {
            /// All members, in the order of the list.
            pub const ALL: &[Self] = &[$(Self::$variant),+];
        }
    };
    (@words $name:ident { $($variant:ident, $word:literal;)+ }) => {
        impl $name {
            /// Returns `None` for every word that isn't listed; case matters.
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// Returns the word that is written and read for this member. It never changes.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }
    };
}

pub(crate) use closed_list;
