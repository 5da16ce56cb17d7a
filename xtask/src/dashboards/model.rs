//! What a dashboard is here, before it is Grafana's JSON. Pure.
//!
//! A panel says which values of which measurement it shows; `influxql` and `promql` say it in their languages.

/// The languages that dashboards are made in, each for the data source that speaks it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Flavour {
    /// For InfluxDB.
    InfluxQl,
    /// For Prometheus.
    PromQl,
}

/// Which data source has the points.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Source {
    /// The main database.
    Containers,
    /// The one of the host as a whole.
    Host,
}

/// One page.
#[derive(Clone, Debug)]
pub(super) struct Dashboard {
    /// Part of its address; never changes.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    /// What `$host` is chosen from.
    pub(super) hosts: (Source, &'static str, &'static str),
    /// Whether `$container` is chosen, too.
    pub(super) has_containers: bool,
    pub(super) rows: Vec<Row>,
    pub(super) events: Vec<Event>,
}

/// Panels under a title.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) panels: Vec<Panel>,
}

/// One chart or table.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) shape: Shape,
    pub(super) unit: Unit,
    /// Of 24 columns.
    pub(super) width: u64,
    pub(super) queries: Vec<Query>,
}

/// How it looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// Lines over time.
    Lines,
    /// The same, one upon the other.
    Stacked,
    /// A row for each series, without times.
    Table,
}

/// The unit of its numbers, in Grafana's words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unit {
    Bytes,
    BytesPerSecond,
    Cpus,
    Count,
    PerSecond,
    Seconds,
    /// 1 is all.
    Share,
}

/// What a panel asks for.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) ask: Ask,
    /// Why it may have no answer where all is well.
    pub(super) may_be_empty: Option<&'static str>,
}

/// One question.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    /// Values of one measurement over time.
    Values {
        measurement: &'static str,
        /// Tags by which series are told apart, beside host and container.
        per: &'static [&'static str],
        /// A tag that must be there.
        only: Option<&'static str>,
        values: Vec<(&'static str, Expression)>,
    },
    /// The ten containers with most of something.
    Top {
        measurement: &'static str,
        /// Tags that are added up.
        over: &'static [&'static str],
        what: Most,
    },
    /// In the words of each language, where it has them.
    Written {
        source: Source,
        influxql: Option<Written>,
        promql: Vec<Written>,
    },
}

/// A query as it is sent, but for variables.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) text: String,
    /// What its series are called.
    pub(super) legend: String,
}

/// How a value is made of fields.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expression {
    /// A gauge.
    Mean(&'static str),
    /// The growth of a counter in each second.
    Rate(&'static str),
    /// The busiest moment: a field of line protocol, and the gauge that `/metrics` has.
    Peak(&'static str, &'static str),
    /// The growth of one counter for each one of another.
    Growth(&'static str, &'static str),
    /// A gauge in parts of another.
    Part(&'static str, &'static str),
    /// What a gauge leaves of another, in parts of it.
    Rest(&'static str, &'static str),
    /// Mean time of an operation: total time, count, and the histogram that `/metrics` has of it.
    MeanTime(&'static str, &'static str, &'static str),
}

/// What makes a container one of the first ten.
#[derive(Clone, Copy, Debug)]
pub(super) enum Most {
    /// The mean of a gauge.
    Mean(&'static str),
    /// What two counters have grown by together.
    Grown(&'static str, &'static str),
}

/// What is drawn as marks over all charts of a page.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) name: &'static str,
    pub(super) colour: &'static str,
    pub(super) influxql: Option<&'static str>,
    /// Columns with title and text.
    pub(super) columns: (&'static str, &'static str),
    pub(super) promql: Option<&'static str>,
}

impl Flavour {
    pub(super) const ALL: [Self; 2] = [Self::InfluxQl, Self::PromQl];

    /// The folder's name, and the last part of a dashboard's address.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::InfluxQl => "influxql",
            Self::PromQl => "promql",
        }
    }
}

impl Unit {
    pub(super) fn grafana(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "binBps",
            Self::Cpus | Self::Count => "short",
            Self::PerSecond => "cps",
            Self::Seconds => "s",
            Self::Share => "percentunit",
        }
    }
}

impl Query {
    /// The same, which may have no answer.
    pub(super) fn may_be_empty(self, why: &'static str) -> Self {
        Self {
            may_be_empty: Some(why),
            ..self
        }
    }

    /// The same, of points with this tag alone.
    pub(super) fn of(mut self, tag: &'static str) -> Self {
        if let Ask::Values { only, .. } = &mut self.ask {
            *only = Some(tag);
        }
        self
    }
}

impl From<Ask> for Query {
    fn from(ask: Ask) -> Self {
        Self {
            ask,
            may_be_empty: None,
        }
    }
}

/// Values of `measurement`, told apart by `per`.
pub(super) fn values(
    measurement: &'static str,
    per: &'static [&'static str],
    values: &[(&'static str, Expression)],
) -> Query {
    Query::from(Ask::Values {
        measurement,
        per,
        only: None,
        values: values.to_vec(),
    })
}

/// Lines over time, half a page wide.
pub(super) fn lines(
    title: &'static str,
    about: &'static str,
    unit: Unit,
    queries: impl IntoIterator<Item = Query>,
) -> Panel {
    Panel {
        title,
        about,
        shape: Shape::Lines,
        unit,
        width: 12,
        queries: queries.into_iter().collect(),
    }
}

/// The ten containers with most of something, a quarter of a page wide.
pub(super) fn top(
    title: &'static str,
    about: &'static str,
    unit: Unit,
    measurement: &'static str,
    over: &'static [&'static str],
    what: Most,
) -> Panel {
    Panel {
        shape: Shape::Table,
        width: 6,
        ..lines(
            title,
            about,
            unit,
            [Ask::Top {
                measurement,
                over,
                what,
            }
            .into()],
        )
    }
}

impl Panel {
    /// The same with its lines one upon the other.
    pub(super) fn stacked(self) -> Self {
        Self {
            shape: Shape::Stacked,
            ..self
        }
    }
}
