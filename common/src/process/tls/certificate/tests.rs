//! What is read in certificates, the odd ones too: each is made here, self-signed.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use rcgen::{
    BasicConstraints as Constraints, CertificateParams, CustomExtension, IsCa, KeyPair,
    KeyUsagePurpose::{self, CrlSign, DigitalSignature, KeyCertSign},
};

use super::*;
use crate::process::tls::Identity;

const KEY_USAGE: &[u64] = &[2, 5, 29, 15];
const ALTERNATIVE_NAME: &[u64] = &[2, 5, 29, 17];
const CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
/// DER of a key usage of keyCertSign, and of CA:TRUE.
const MAY_SIGN: &[u8] = &[3, 2, 2, 4];
const CA: &[u8] = &[0x30, 3, 1, 1, 0xff];

fn made(change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().clone()
}

fn authority(usages: &[KeyUsagePurpose]) -> impl FnOnce(&mut CertificateParams) {
    let usages = usages.to_vec();
    |params| {
        params.is_ca = IsCa::Ca(Constraints::Unconstrained);
        params.key_usages = usages;
    }
}

/// A certificate with these extensions alone.
fn with(extensions: &[(&[u64], &[u8])]) -> CertificateDer<'static> {
    made(|params| {
        params.custom_extensions = extensions
            .iter()
            .map(|(id, content)| CustomExtension::from_oid_content(id, content.to_vec()))
            .collect();
    })
}

/// The certificate with a byte after its end.
fn longer(certificate: &CertificateDer<'_>) -> CertificateDer<'static> {
    [certificate, &[0][..]].concat().into()
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

#[test]
fn an_authority_says_so_and_may_sign() {
    let vouches = |certificate| parsed(&certificate, is_authority).unwrap();
    assert!(vouches(made(authority(&[KeyCertSign, CrlSign]))));
    assert!(vouches(made(authority(&[]))));
    assert!(!vouches(made(authority(&[CrlSign]))));
    assert!(!vouches(made(authority(&[DigitalSignature]))));
    assert!(!vouches(made(|params| params.is_ca = IsCa::NoCa)));
    assert!(!vouches(made(|params| params.is_ca = IsCa::ExplicitNoCa)));
    assert!(vouches(with(&[(CONSTRAINTS, CA), (KEY_USAGE, MAY_SIGN)])));
    assert!(!vouches(with(&[(KEY_USAGE, MAY_SIGN)])));
}

/// A key usage counts its bits. Each of these is a whole one: the eighth bit may be there without being set.
#[test]
fn the_bit_of_key_cert_sign_decides() {
    for (content, may_sign) in [
        (&[3, 2, 2, 4][..], true),
        (&[3, 2, 1, 6], true),
        (&[3, 2, 0, 0xff], true),
        (&[3, 3, 7, 6, 0], true),
        (&[3, 3, 7, 4, 0x80], true),
        (&[3, 2, 1, 2], false),
        (&[3, 2, 0, 0xfb], false),
        (&[3, 3, 7, 0, 0x80], false),
        (&[3, 1, 0], false),
        // Bits where none count.
        (&[3, 2, 3, 4], false),
        (&[3, 2, 3, 0x84], false),
        (&[3, 2, 1, 7], false),
        (&[3, 3, 7, 6, 1], false),
    ] {
        let certificate = with(&[(CONSTRAINTS, CA), (KEY_USAGE, content)]);
        assert_eq!(
            parsed(&certificate, is_authority),
            Ok(may_sign),
            "{content:?}"
        );
    }
}

/// The first of two extensions might forbid what the second allows, and a reader that stops at what it
/// knows would not see what follows.
#[test]
fn what_is_repeated_or_cut_or_too_long_makes_no_authority() {
    let vouches = |extensions: &[(&[u64], &[u8])]| parsed(&with(extensions), is_authority).unwrap();
    let (ca, may_sign) = ((CONSTRAINTS, CA), (KEY_USAGE, MAY_SIGN));
    assert!(vouches(&[ca, may_sign]));
    assert!(!vouches(&[ca, ca, may_sign]));
    assert!(!vouches(&[ca, may_sign, may_sign]));
    for content in [&[3, 2, 2][..], &[3, 2, 2, 4, 0], &[4, 2, 2, 4], &[]] {
        assert!(!vouches(&[ca, (KEY_USAGE, content)]), "{content:?}");
    }
    for content in [
        &[0x30, 3, 1, 1][..],
        &[0x30, 3, 1, 1, 0xff, 0],
        &[0x30, 4, 1, 1, 0xff, 5],
        &[1, 1, 0xff],
        &[],
    ] {
        assert!(!vouches(&[(CONSTRAINTS, content), may_sign]), "{content:?}");
    }
}

#[test]
fn bytes_after_a_certificate_are_refused() {
    let whole = made(authority(&[KeyCertSign]));
    assert_eq!(authorities(pem(&whole).as_bytes()).unwrap().len(), 1);
    let told = authorities(pem(&longer(&whole)).as_bytes()).unwrap_err();
    assert!(told.contains("can't be read"), "{told}");
    assert!(valid_until(std::slice::from_ref(&whole)).is_ok());
    for chain in [
        [longer(&whole), whole.clone()],
        [whole.clone(), longer(&whole)],
    ] {
        assert!(valid_until(&chain).is_err());
        assert!(Identity::from_chain(&chain).is_err());
    }
}

/// A text of bits tells how many of its last ones don't count. They are zero, or the text has two forms.
#[test]
fn bits_that_do_not_count_are_refused() {
    let whole = made(authority(&[KeyCertSign]));
    let key = |it: &Certificate| {
        let key = it.tbs_certificate().subject_public_key_info();
        key.subject_public_key.raw_bytes().to_vec()
    };
    for bits in [
        parsed(&whole, key).unwrap(),
        parsed(&whole, |it| it.signature().raw_bytes().to_vec()).unwrap(),
    ] {
        let mut bytes = whole.to_vec();
        let at = bytes.windows(bits.len()).position(|it| it == bits).unwrap();
        bytes[at + bits.len() - 1] = 0xff;
        assert!(parsed(&bytes.clone().into(), |_| ()).is_ok());
        bytes[at - 1] = 1;
        assert!(parsed(&bytes.into(), |_| ()).is_err());
    }
}

#[test]
fn a_certificate_is_valid_through_its_last_second() {
    let until = |last: u64| {
        made(|params| {
            params.not_after = (SystemTime::UNIX_EPOCH + Duration::from_secs(last)).into()
        })
    };
    // The last second of 2049 is a UTCTime, and the next one a GeneralizedTime. RFC 5280 says that a
    // certificate ends never by the last second of the year 9999.
    let ends = [
        1,
        1_800_000_000,
        2_524_607_999,
        2_524_608_000,
        253_402_300_799,
    ];
    for last in ends {
        assert_eq!(valid_until(&[until(last)]), Ok(UnixTime(last + 1)));
    }
    assert_eq!(valid_until(&ends.map(until)), Ok(UnixTime(2)));
    assert!(valid_until(&[]).is_err());
}

/// rustls reads them, so a certificate that was good stays good.
#[test]
fn a_long_serial_number_is_accepted() {
    for length in [20, 21, 32] {
        let serial = vec![0x7f; length];
        let certificate = made(|params| {
            authority(&[KeyCertSign])(params);
            params.serial_number = Some(serial.into());
        });
        assert!(authorities(pem(&certificate).as_bytes()).is_ok());
    }
}

/// Subject alternative names, each as its tag and its content.
fn names(names: &[(u8, &[u8])]) -> Vec<u8> {
    let part = |tag, content: &[u8]| {
        let length = u8::try_from(content.len()).unwrap();
        assert!(length < 0x80, "a long length has another form");
        [&[tag, length], content].concat()
    };
    let all: Vec<_> = names.iter().flat_map(|(tag, it)| part(*tag, it)).collect();
    part(0x30, &all)
}

fn holder(extensions: &[(&[u64], &[u8])]) -> Identity {
    Identity::from_chain(&[with(extensions)]).unwrap()
}

#[test]
fn a_name_that_nobody_can_read_hides_no_other() {
    let content = names(&[
        (0xa0, &[6, 3, 42, 3, 4, 0xa0, 3, 12, 1, b'x']),
        (0x81, b"hub@x"),
        (0x82, b"\xff.x"),
        (0x82, b"HUB.x"),
        (0x82, b"*.y"),
        // An address by X.400, and an id with a part of more than 32 bits.
        (0xa3, &[0x30, 0]),
        (0x88, &[0x69, 0x90, 0x80, 0x80, 0x80, 0x80, 0]),
        (0xa4, b"no name"),
        (0x86, b"spiffe://x/Hub"),
        (0x87, &[127, 0, 0, 1]),
        (0xa2, b"constructed.x"),
    ]);
    let holder = holder(&[(ALTERNATIVE_NAME, &content)]);
    assert!(holder.has("dns:hub.x") && holder.has("uri:spiffe://x/Hub"));
    for name in ["dns:HUB.x", "dns:*.y", "dns:constructed.x", "uri:hub@x"] {
        assert!(!holder.has(name), "{name}");
    }
}

#[test]
fn names_that_are_repeated_or_no_list_of_names_name_nobody() {
    let hub = names(&[(0x82, b"hub.x")]);
    let holds = |contents: &[&[u8]]| {
        let extensions: Vec<_> = contents.iter().map(|it| (ALTERNATIVE_NAME, *it)).collect();
        holder(&extensions).has("dns:hub.x")
    };
    assert!(holds(&[&hub]));
    assert!(!holds(&[&hub, &hub]));
    assert!(!holds(&[&[&hub[..], &[0]].concat()]));
    assert!(!holds(&[&hub[..hub.len() - 1]]));
    assert!(!holds(&[&names(&[(0x82, b"hub.x"), (12, b"text")])]));
    assert!(!holds(&[]));
}
