//! This file counts connections for which there was no room, as a metric with one name in every
//! program.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter},
};

use super::register::Admission;

/// The refused connections of all these listeners, for a registry whose prefix names the program.
#[derive(Debug)]
pub struct Refused(pub Vec<Admission>);

impl Collector for Refused {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let refused: u64 = self.0.iter().map(Admission::turned_away).sum();
        let encoder = encoder.encode_descriptor(
            "connections_refused",
            "Connections over the limit: refused, or closed to make room",
            None,
            MetricType::Counter,
        )?;
        ConstCounter::new(refused).encode(encoder)
    }
}
