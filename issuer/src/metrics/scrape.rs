//! Metrics that are computed only on a scrape: the age of a view matters most when nothing updates it.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use tokenward_common::{clock::Clock, replica::Replica, store::Reason};

use crate::{ability::Ability, keys::Keys, receipts::Receipts};

pub(crate) struct Scrape {
    pub(crate) replica: Arc<Replica>,
    pub(crate) receipts: Arc<Receipts>,
    pub(crate) ability: Arc<Ability>,
    pub(crate) keys: Arc<Keys>,
    /// Set if the keys come from a key ring, which may be broken.
    pub(crate) ring: bool,
    pub(crate) clock: Arc<dyn Clock>,
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrape").finish_non_exhaustive()
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let revision = self.replica.cursor().revision.0;
        gauge(
            &mut encoder,
            "revision",
            "Revision of the own view",
            revision as f64,
        )?;
        if let Some(age) = self.replica.age() {
            gauge(
                &mut encoder,
                "view_age_seconds",
                "Age of the own view at most",
                age.as_secs_f64(),
            )?;
        }
        let (heard, silent) = self.receipts.heard();
        let mut family = encoder.encode_descriptor(
            "verifiers",
            "Verifiers heard of; silent: for longer than their bound, they can't answer",
            None,
            MetricType::Gauge,
        )?;
        for (state, count) in [("heard", heard), ("silent", silent)] {
            let gauge = ConstGauge::new(count as f64);
            gauge.encode(family.encode_family(&[("state", state)])?)?;
        }
        let mut family = encoder.encode_descriptor(
            "unable",
            "1: the store takes no commits, for this reason (short: it takes takeaways)",
            None,
            MetricType::Gauge,
        )?;
        let unable = self.ability.unable();
        for reason in Reason::ALL {
            let gauge = ConstGauge::new(f64::from(u8::from(unable == Some(reason))));
            gauge.encode(family.encode_family(&[("reason", reason.as_str())])?)?;
        }
        if self.ring {
            let encoder = encoder.encode_descriptor(
                "key_ring_broken",
                "1: the key ring can't be used, and the keys before it stand",
                None,
                MetricType::Gauge,
            )?;
            ConstGauge::new(i64::from(self.keys.is_broken())).encode(encoder)?;
        }
        self.key_ages(&mut encoder)
    }
}

impl Scrape {
    /// Shows the keys' ages: a key that signs for too long should be rotated. A rotation shows here, too.
    fn key_ages(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "signing_key_age_seconds",
            "How long ago the key's file was written, by key and what the key does",
            None,
            MetricType::Gauge,
        )?;
        let now = self.clock.unix().seconds();
        let signing = self.keys.current();
        for (kid, state, age) in signing.ages(now) {
            let labels = [("kid", kid.as_str()), ("state", state.word())];
            let gauge = ConstGauge::new(age.as_secs_f64());
            gauge.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    let encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(encoder)
}
