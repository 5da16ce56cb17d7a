//! The ways by which lines are delivered, and what each of them uses up.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use cgflux::{
    config::{Delivery, Influxdb, Spool},
    encode::{LineEncoder, Packed, Payload, Tagging, Times},
    self_stats::SinkStats,
    shipment::Shipper,
    sink::{
        self, Sink, Target, Worker,
        influxdb::{Client, quoted},
    },
};
use nix::unistd::Pid;
use tokio::{runtime::Runtime, task::spawn_blocking, time::sleep};

use super::{containers, influxdb::InfluxDb, process, waiting::Waiting, written};

/// How often it is looked whether all is delivered: seldom enough to cost nothing beside it. A shipment through a sink
/// takes half of it longer than it should.
const LOOK: Duration = Duration::from_millis(10);

/// Room for all that is ever offered at once.
const ROOM_BYTES: u64 = 4 << 30;

/// A way to deliver.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Way {
    /// One request after the other: the floor of what is sent.
    Requests,
    /// Through a sink that keeps in memory what it has not delivered.
    Memory,
    /// Through a sink with a spool.
    Spool,
    /// Compressed, appended to a file and synced, one shipment after the other: the floor of what is kept.
    Log,
    /// To a spool while nobody takes anything.
    Kept,
    /// What was kept that way, once somebody does.
    Drained,
}

/// In the order in which they are measured.
pub(crate) const WAYS: [Way; 6] = [
    Way::Requests,
    Way::Memory,
    Way::Spool,
    Way::Log,
    Way::Kept,
    Way::Drained,
];

/// Shipments of one second each.
#[derive(Debug)]
pub(crate) struct Lines {
    shipments: Vec<Vec<Payload>>,
    /// How many lines.
    pub(crate) count: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Their bytes when compressed as the spool does it.
    pub(crate) packed_bytes: u64,
}

/// What was used up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Spent {
    pub(crate) wall: Duration,
    /// CPU time of this process.
    pub(crate) cpu: Duration,
    /// CPU time of InfluxDB.
    pub(crate) database_cpu: Duration,
    /// Written to disk by this process.
    pub(crate) written_bytes: u64,
}

impl Lines {
    /// What `containers` have to tell in so many seconds, the last of which ends at `wall_ns`.
    pub(crate) fn of(containers: u32, seconds: u32, wall_ns: i64) -> anyhow::Result<Self> {
        let tagging = Tagging::new("bench", &BTreeMap::new(), &[])?;
        let mut encoder = LineEncoder::new(tagging);
        let mut shipper = Shipper::new(Duration::ZERO);
        let shipments: Vec<Vec<Payload>> = (0..seconds)
            .map(|second| {
                let at_ns = wall_ns - i64::from(seconds - second) * 1_000_000_000;
                let batch = containers::batch(containers.into(), second.into(), at_ns, true);
                let shipment = shipper.fold(&batch);
                let payloads = shipment.iter().flat_map(|it| encoder.encode(it));
                payloads.collect()
            })
            .collect();
        let payloads = || shipments.iter().flatten();
        Ok(Self {
            count: shipments.iter().map(|it| points_of(it)).sum(),
            bytes: payloads().map(|it| it.lines().len() as u64).sum(),
            packed_bytes: payloads().map(|it| Packed::of(it).gzip.len() as u64).sum(),
            shipments,
        })
    }
}

/// A server, a disk, and what is measured between them.
pub(crate) struct Bench<'a> {
    influxdb: &'a InfluxDb,
    folder: &'a Path,
    waiting: &'a Waiting,
    settings: Influxdb,
    runtime: Runtime,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(
        influxdb: &'a InfluxDb,
        folder: &'a Path,
        waiting: &'a Waiting,
    ) -> anyhow::Result<Self> {
        // As the agent's: delivery is one task, and threads are for what may block.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let bench = Self {
            influxdb,
            folder,
            waiting,
            settings: Influxdb::at(influxdb.url().parse().context("InfluxDB's address")?),
            runtime,
        };
        let database = &bench.settings.database;
        let mut client = bench.client()?;
        let statement = format!("CREATE DATABASE {}", quoted(database));
        let made = client.execute(&statement);
        bench.runtime.block_on(made).map_err(anyhow::Error::msg)?;
        Ok(bench)
    }

    /// What it takes to deliver these lines that way. Fails if one of them does not arrive.
    pub(crate) fn measure(&self, way: Way, lines: &Lines) -> anyhow::Result<Spent> {
        let folder = tempfile::tempdir_in(self.folder)?;
        let stored = self.influxdb.stored()?.points;
        let spent = match way {
            Way::Requests => self.requests(lines)?,
            Way::Memory => self.sent(lines, None, folder.path())?,
            Way::Spool => self.sent(lines, Some(spool()), folder.path())?,
            Way::Log => return self.log(lines, &folder.path().join("log")),
            Way::Kept => return Ok(self.kept(lines, folder.path())?.0),
            Way::Drained => {
                let (_, opened) = self.kept(lines, folder.path())?;
                self.drained(lines, opened)?
            }
        };
        let arrived = self.influxdb.stored()?.points - stored;
        ensure!(
            arrived >= lines.count,
            "{arrived} of {} points arrived",
            lines.count
        );
        Ok(spent)
    }

    fn requests(&self, lines: &Lines) -> anyhow::Result<Spent> {
        self.runtime.block_on(async {
            let mut client = self.client()?;
            let clock = self.clock()?;
            for payload in lines.shipments.iter().flatten() {
                self.waiting.check()?;
                if let Err(unwritten) = client.try_write(payload).await {
                    bail!("InfluxDB: {}", unwritten.reason);
                }
            }
            clock.read()
        })
    }

    fn log(&self, lines: &Lines, path: &Path) -> anyhow::Result<Spent> {
        let mut file = File::create(path)?;
        let clock = self.clock()?;
        for shipment in &lines.shipments {
            self.waiting.check()?;
            for payload in shipment {
                file.write_all(&Packed::of(payload).gzip)?;
            }
            file.sync_data()?;
        }
        clock.read()
    }

    /// Through a sink from offer to acknowledgement, a shipment when the one before has arrived.
    fn sent(&self, lines: &Lines, spool: Option<Spool>, folder: &Path) -> anyhow::Result<Spent> {
        let (sink, worker, stats) = self.open(spool, folder)?;
        self.deliver(worker, async {
            // The worker takes its time before its very first write only.
            sink.offer(first_line());
            self.until(|| stats.points_sent() == 1).await?;
            let clock = self.clock()?;
            let mut offered = 1;
            for shipment in &lines.shipments {
                offered += points_of(shipment);
                let (sink, shipment) = (sink.clone(), shipment.clone());
                spawn_blocking(move || sink.keep(shipment)).await?;
                self.until(|| stats.points_sent() == offered).await?;
            }
            clock.read()
        })
    }

    fn kept(&self, lines: &Lines, folder: &Path) -> anyhow::Result<(Spent, Opened)> {
        let opened = self.open(Some(spool()), folder)?;
        let (sink, _, stats) = &opened;
        let clock = self.clock()?;
        for shipment in &lines.shipments {
            self.waiting.check()?;
            sink.keep(shipment.iter().cloned());
        }
        let spent = clock.read()?;
        let waits = stats.waiting().points;
        ensure!(
            waits == lines.count,
            "{waits} of {} points are kept",
            lines.count
        );
        Ok((spent, opened))
    }

    fn drained(&self, lines: &Lines, (sink, worker, stats): Opened) -> anyhow::Result<Spent> {
        let spent = self.deliver(worker, async {
            self.until(|| stats.bytes_sent.get() > 0).await?;
            let clock = self.clock()?;
            self.until(|| stats.points_sent() == lines.count).await?;
            clock.read()
        });
        drop(sink);
        spent
    }

    /// Runs a worker for as long as `measured` takes.
    fn deliver(
        &self,
        worker: Worker,
        measured: impl Future<Output = anyhow::Result<Spent>>,
    ) -> anyhow::Result<Spent> {
        let mut spent = None;
        self.runtime.block_on(worker.run(async {
            spent = Some(measured.await);
        }));
        spent.context("the worker ended by itself")?
    }

    async fn until(&self, done: impl Fn() -> bool) -> anyhow::Result<()> {
        while !done() {
            self.waiting.check()?;
            sleep(LOOK).await;
        }
        Ok(())
    }

    fn open(&self, spool: Option<Spool>, folder: &Path) -> anyhow::Result<Opened> {
        let delivery = Delivery {
            spool,
            memory_bytes: ROOM_BYTES,
            drain_lines: 0,
        };
        fs::create_dir_all(folder)?;
        let stats = Arc::new(SinkStats::new("bench"));
        let target = Target::Influxdb(self.client()?);
        let told = |_: &_, _| None;
        let (sink, worker) = sink::open(target, &delivery, folder, told, Arc::clone(&stats))?;
        Ok((sink, worker, stats))
    }

    fn client(&self) -> anyhow::Result<Client> {
        // There are none to read.
        let read = |_: &Path| Err(io::ErrorKind::NotFound.into());
        Ok(Client::new(&self.settings, read)?)
    }

    fn clock(&self) -> anyhow::Result<Clock> {
        Clock::start(self.influxdb.pid())
    }
}

type Opened = (Sink, Worker, Arc<SinkStats>);

fn spool() -> Spool {
    Spool {
        bytes: ROOM_BYTES,
        age: Duration::from_hours(1),
    }
}

fn points_of(shipment: &[Payload]) -> u64 {
    shipment.iter().map(|it| it.points() as u64).sum()
}

fn first_line() -> Payload {
    Payload::new(Bytes::from_static(b"first v=1i 1\n"), Times::at(1))
}

/// What was used so far, by whom.
struct Clock {
    database: Pid,
    at: Instant,
    cpu_ns: u64,
    database_ns: u64,
    written_bytes: u64,
}

impl Clock {
    fn start(database: Pid) -> anyhow::Result<Self> {
        Ok(Self {
            database,
            at: Instant::now(),
            cpu_ns: process::cpu_ns(Pid::this())?.unwrap_or_default(),
            database_ns: process::cpu_ns(database)?.context("InfluxDB has ended")?,
            written_bytes: written::bytes(Pid::this())?.unwrap_or_default(),
        })
    }

    fn read(&self) -> anyhow::Result<Spent> {
        let now = Self::start(self.database)?;
        Ok(Spent {
            wall: now.at - self.at,
            cpu: Duration::from_nanos(now.cpu_ns - self.cpu_ns),
            database_cpu: Duration::from_nanos(now.database_ns - self.database_ns),
            written_bytes: now.written_bytes - self.written_bytes,
        })
    }
}
