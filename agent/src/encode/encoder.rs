//! One encoder for whatever schema a sink is written in.

use super::{CadvisorEncoder, Influxdb08Encoder, LineEncoder, Payload, Tagging, TelegrafEncoder};
use crate::{config::Schema, shipment::Shipment};

/// Encodes the shipments of one sink.
#[derive(Debug)]
pub enum Encoder {
    /// In this program's own words.
    Native(LineEncoder),
    /// As Telegraf.
    Telegraf(TelegrafEncoder),
    /// As cAdvisor.
    Cadvisor(CadvisorEncoder),
    /// As cAdvisor in 2014.
    Influxdb08(Influxdb08Encoder),
}

impl Encoder {
    /// An encoder in the words of `schema`, with the tags of `tagging` where the schema has tags.
    pub fn new(schema: Schema, tagging: Tagging) -> Self {
        match schema {
            Schema::Native => Self::Native(LineEncoder::new(tagging)),
            Schema::Telegraf => Self::Telegraf(TelegrafEncoder::new(tagging)),
            Schema::Cadvisor => Self::Cadvisor(CadvisorEncoder::new(tagging)),
            Schema::Influxdb08 => Self::Influxdb08(Influxdb08Encoder::new(&tagging)),
        }
    }

    /// The lines of a shipment.
    pub fn encode(&mut self, shipment: &Shipment<'_>) -> Vec<Payload> {
        match self {
            Self::Native(encoder) => encoder.encode(shipment),
            Self::Telegraf(encoder) => encoder.encode(shipment),
            Self::Cadvisor(encoder) => encoder.encode(shipment),
            Self::Influxdb08(encoder) => encoder.encode(shipment),
        }
    }
}
