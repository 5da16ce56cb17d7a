//! What is counted arrives: in InfluxDB, on the page, on `/metrics`; and what is asked for is what runs.

mod sink;
