//! A real `InfluxDB` of each line that is compiled, to test against: by a Go, once, and kept. A build leaves 800 MB of 1.8
//! and 2.8 GB of 2.7 behind while it lasts.

mod v1;
mod v2;

use crate::{gotool::GoTool, session::Session, versions};

const V1: GoTool = GoTool {
    name: "influxd",
    version: versions::INFLUXD,
    step: "An InfluxDB with the 2.x write API, to test with (once, some 3 min)",
    compile: v1::compile,
};

const V2: GoTool = GoTool {
    name: "influxd",
    version: versions::INFLUXD_2,
    step: "An InfluxDB 2, to test with (once, some 10 min)",
    compile: v2::compile,
};

/// Has the programs lie where the tests look for them: 1.8, and 2.7 with the long forms of the tests.
pub(crate) fn offer(session: &Session, full: bool) {
    V1.offer(session);
    if full {
        V2.offer(session);
    }
}
