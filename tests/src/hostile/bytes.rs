//! Tokens with one byte changed, added or left out anywhere; every truncation; overlong tokens; signatures
//! whose numbers are near the right one.

use tokenward_proto::v1::Reason;

use super::{Genuine, Hostile, b64, hostile};

/// The group's order (RFC 8032, section 5.1), least significant byte first.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];
/// The most characters that a token may have.
const LONGEST: usize = 4096;

pub(super) fn cases(genuine: &Genuine) -> Vec<Hostile> {
    let mut all = changed(genuine);
    all.extend(cut_and_long(genuine));
    all.extend(other_numbers(genuine));
    all
}

fn changed(genuine: &Genuine) -> Vec<Hostile> {
    let token = &genuine.token;
    let [header, payload, _] = genuine.segments();
    let header_end = genuine.prefix.len() + header.len();
    let payload_end = header_end + 1 + payload.len();
    let mut all = Vec::new();
    for at in 0..token.len() {
        let (start, end) = token.split_at(at);
        let put = format!("{start}A{end}");
        let left_out = format!("{start}{}", &end[1..]);
        let flipped = [1_u8, 2, 4, 8, 16, 32, 64].map(|bit| {
            let mut bytes = token.clone().into_bytes();
            bytes[at] ^= bit;
            String::from_utf8(bytes).expect("ASCII")
        });
        for (how, changed) in [("put", put), ("left out", left_out)]
            .into_iter()
            .chain(flipped.map(|token| ("flipped", token)))
        {
            let refused = reason(&changed, at, header_end, payload_end);
            all.push(hostile(format!("byte {at} {how}"), changed, refused));
        }
    }
    all
}

/// Returns the reason for a change at this place. `Unspecified` means that any reason is right.
fn reason(changed: &str, at: usize, header_end: usize, payload_end: usize) -> Reason {
    let dots = changed.matches('.').count();
    if dots == 2 && at > header_end && at < payload_end {
        Reason::TokenSignature
    } else {
        // The change may turn a kid into another one, or break the form of the signature.
        Reason::Unspecified
    }
}

fn cut_and_long(genuine: &Genuine) -> Vec<Hostile> {
    let token = &genuine.token;
    // Lengths begin at 1: a Check with an empty token is an invalid request, which has no reason.
    let mut all: Vec<_> = (1..token.len())
        .map(|length| {
            let cut = token[..length].to_owned();
            hostile(format!("cut at {length}"), cut, Reason::TokenMalformed)
        })
        .collect();
    for length in [LONGEST + 1, 2 * LONGEST, 65_536, 200_000] {
        let long = format!("{token}{}", "A".repeat(length - token.len()));
        all.push(hostile(
            format!("{length} characters"),
            long,
            Reason::TokenMalformed,
        ));
        let strange: String = "\u{1f511}".repeat(length / 4);
        all.push(hostile(
            format!("{length} bytes of keys"),
            strange,
            Reason::TokenMalformed,
        ));
        all.push(hostile(
            format!("{length} dots"),
            ".".repeat(length),
            Reason::TokenMalformed,
        ));
    }
    all
}

/// S + L is the same number for a check that doesn't compare it with L (RFC 8032, section 5.1.7). An R of
/// small order with an S of zero satisfies a careless equation.
fn other_numbers(genuine: &Genuine) -> Vec<Hostile> {
    let [header, payload, signature] = genuine.segments();
    let bytes =
        base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, signature)
            .expect("base64url");
    let (r, s) = bytes.split_at(32);
    let mut carry = 0_u16;
    let above: Vec<u8> = s
        .iter()
        .zip(ORDER)
        .map(|(one, other)| {
            let sum = u16::from(*one) + u16::from(other) + carry;
            carry = sum >> 8;
            sum.to_le_bytes()[0]
        })
        .collect();
    let mut identity = [0_u8; 32];
    identity[0] = 1;
    let mut minus_one = [0xff_u8; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    let mut minus_zero = minus_one;
    minus_zero[0] = 0xed;
    let zero = [0_u8; 32];
    let parts = [
        ("S + L", r, above.as_slice()),
        ("S is L", r, &ORDER),
        ("S is 0", r, &zero),
        ("R and S are 0", &zero, &zero),
        ("R is the identity, S is 0", &identity, &zero),
        ("R is the identity", &identity, s),
        ("R is -1", &minus_one, s),
        ("R is p", &minus_zero, s),
        ("R and S are swapped", s, r),
        ("all ones", &[0xff; 32], &[0xff; 32]),
    ];
    parts
        .map(|(name, r, s)| {
            let forged = [r, s].concat();
            let token = format!("{}{header}.{payload}.{}", genuine.prefix, b64(forged));
            hostile(name, token, Reason::TokenSignature)
        })
        .into()
}
