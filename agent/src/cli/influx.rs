//! Which `InfluxDB` a command asks.

use clap::Args;

use super::RunArgs;

/// A sink of the configuration, or a server that is named here.
#[derive(Args, Clone, Debug, Default)]
pub struct InfluxArgs {
    /// Ask the InfluxDB of this sink [default: the first that is one]
    #[arg(long, value_name = "NAME", conflicts_with = "influx")]
    pub sink: Option<String>,
    /// Ask the InfluxDB 1.x server at this address, http://host:port, as with `run`
    #[arg(long, value_name = "URL")]
    pub influx: Option<String>,
    /// Database for --influx [default: cgflux]
    #[arg(long, value_name = "NAME", requires = "influx")]
    pub database: Option<String>,
}

impl InfluxArgs {
    /// The flags of `run` among these.
    pub fn run(&self) -> RunArgs {
        RunArgs {
            influx: self.influx.clone(),
            database: self.database.clone(),
            ..RunArgs::default()
        }
    }
}
