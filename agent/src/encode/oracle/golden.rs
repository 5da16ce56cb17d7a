//! What the schemas of others make of one batch, to the letter.

use std::{sync::Arc, time::Duration};

use super::{WALL_NS, encoder_of, integer, web};
use crate::{
    config::Schema,
    container::{CgroupId, Container, Exit, Runtime},
    metrics::{Batch, Sample, Subject, Value, catalog},
    shipment::Shipper,
    snapshot::Timestamp,
};

/// Two seconds of a container that ends, a unit, the remainder, and the host as a whole.
fn ticks() -> [Batch; 2] {
    let tick = |second: i64, subjects: Vec<Subject>| Batch {
        taken: Timestamp {
            boot_ns: second.cast_unsigned() * 1_000_000_000,
            wall_ns: WALL_NS + second * 1_000_000_000,
        },
        interval: Duration::from_secs(1),
        subjects,
        host: host(),
        agent: vec![
            integer(&catalog::AGENT_ENTRIES, 3).labelled("kind", "container"),
            integer(&catalog::AGENT_ENTRIES, 90).labelled("kind", "unit"),
        ],
        oom_kills: Vec::new(),
        other: None,
    };
    let unit = Container {
        path: "/system.slice/ssh.service".to_owned(),
        runtime: Runtime::Systemd,
        name: "ssh.service".to_owned(),
        ..Container::host(CgroupId(7))
    };
    let live = Container {
        pid: Some(321),
        ..web()
    };
    let ended = Container {
        exit: Exit {
            code: Some(137),
            signal: Some(9),
            oom: Some(true),
        },
        ..web()
    };
    let usage = || vec![integer(&catalog::CPU_USAGE, 5)];
    let first = vec![
        Subject::new(Arc::new(Container::host(CgroupId(1))), true, usage()),
        Subject::new(Arc::new(live), true, samples()),
        Subject::new(Arc::new(unit), true, usage()),
    ];
    let last = vec![Subject::new(
        Arc::new(ended),
        false,
        vec![integer(&catalog::CPU_USAGE, 43)],
    )];
    [tick(1, first), tick(2, last)]
}

fn samples() -> Vec<Sample> {
    let on = |device, metric, value| integer(metric, value).labelled("device", device);
    let with = |peer, metric, value| integer(metric, value).labelled("peer", peer);
    vec![
        integer(&catalog::CPU_USAGE, 42),
        integer(&catalog::CPU_USER, 30),
        integer(&catalog::CPU_SYSTEM, 12),
        integer(&catalog::CPU_PERIODS, 6),
        integer(&catalog::CPU_THROTTLED_PERIODS, 5),
        integer(&catalog::CPU_THROTTLED, 4),
        Sample::new(&catalog::CPU_RATE, Value::Float(0.5)),
        on("vda", &catalog::READ_BYTES, 100),
        on("vda", &catalog::READS, 10),
        on("vdb", &catalog::READ_BYTES, 200),
        on("vdb", &catalog::READS, 20),
        on("vdb", &catalog::WRITES, 1),
        on("vdb", &catalog::DISCARDS, 5),
        with("loopback", &catalog::NET_RX_BYTES, 1_000),
        with("host", &catalog::NET_RX_BYTES, 20),
        with("outside", &catalog::NET_RX_BYTES, 3),
        with("outside", &catalog::NET_TX_BYTES, 7),
        integer(&catalog::MEMORY_USAGE, 600),
        integer(&catalog::WORKING_SET, 500),
        integer(&catalog::ANON, 400),
        integer(&catalog::FILE, 150),
        integer(&catalog::PAGE_FAULTS, 9),
        integer(&catalog::MAJOR_FAULTS, 2),
        integer(&catalog::LIMIT_EVENTS, 1),
    ]
}

fn host() -> Vec<Sample> {
    let of =
        |name, value: &'static str, metric, number| integer(metric, number).labelled(name, value);
    vec![
        integer(&catalog::HOST_CPU_USER, 1_000),
        integer(&catalog::HOST_CPU_NICE, 200),
        integer(&catalog::HOST_CPU_SYSTEM, 30),
        integer(&catalog::HOST_CPU_IDLE, 100_000),
        integer(&catalog::HOST_CPU_IOWAIT, 10_000),
        integer(&catalog::HOST_CPU_IRQ, 4),
        integer(&catalog::HOST_CPU_SOFTIRQ, 5),
        integer(&catalog::HOST_CPU_STEAL, 6_000),
        integer(&catalog::HOST_CPUS, 2),
        integer(&catalog::HOST_MEM_TOTAL, 2_000),
        of("device", "vda", &catalog::HOST_DISK_READS, 11),
        of("interface", "lo", &catalog::HOST_NET_RX_BYTES, 9_000),
        of("interface", "eth0", &catalog::HOST_NET_RX_BYTES, 40),
        of("interface", "eth1", &catalog::HOST_NET_RX_BYTES, 5),
        of("interface", "docker0", &catalog::HOST_NET_RX_BYTES, 8_000),
        of("device", "/dev/vda1", &catalog::HOST_FS_SIZE, 70),
        of("device", "/dev/vda1", &catalog::HOST_FS_FREE, 30),
    ]
}

/// Claims that both ticks make these lines. Their times are cut off.
#[track_caller]
fn check(schema: Schema, expected: &str) {
    let mut shipper = Shipper::new(Duration::from_secs(10));
    let mut encoder = encoder_of(schema, &["tier".to_owned()]);
    let mut lines = Vec::new();
    for tick in ticks() {
        let shipment = shipper.fold(&tick).unwrap();
        for payload in encoder.encode(&shipment) {
            let text = String::from_utf8(payload.lines().to_vec()).unwrap();
            lines.extend(text.lines().map(|line| {
                let is_json = schema == Schema::Influxdb08;
                let end = line.rfind(' ').filter(|_| !is_json);
                line[..end.unwrap_or(line.len())].to_owned()
            }));
        }
    }
    let expected: Vec<&str> = expected.trim().lines().collect();
    assert_eq!(lines, expected, "{schema:?}");
}

#[test]
fn the_schema_of_telegraf() {
    check(
        Schema::Telegraf,
        r#"
docker_container_status,container_image=registry:5000/shop/web,container_name=web,container_status=running,container_version=1.2,engine_host=box,host=box,rack=r\ 1,tier=front pid=321i,container_id="0123456789abcdef"
docker_container_mem,container_image=registry:5000/shop/web,container_name=web,container_status=running,container_version=1.2,engine_host=box,host=box,rack=r\ 1,tier=front cache=150i,fail_count=1i,pgfault=9i,pgmajfault=2i,rss=400i,usage=500i,limit=2000i,usage_percent=25.0,container_id="0123456789abcdef"
docker_container_cpu,container_image=registry:5000/shop/web,container_name=web,container_status=running,container_version=1.2,cpu=cpu-total,engine_host=box,host=box,rack=r\ 1,tier=front throttling_periods=6i,throttling_throttled_periods=5i,throttling_throttled_time=4i,usage_in_kernelmode=12i,usage_in_usermode=30i,usage_percent=50.0,usage_system=111239i,usage_total=42i,container_id="0123456789abcdef"
docker_container_net,container_image=registry:5000/shop/web,container_name=web,container_status=running,container_version=1.2,engine_host=box,host=box,network=total,rack=r\ 1,tier=front rx_bytes=23i,tx_bytes=7i,container_id="0123456789abcdef"
docker_container_blkio,container_image=registry:5000/shop/web,container_name=web,container_status=running,container_version=1.2,device=total,engine_host=box,host=box,rack=r\ 1,tier=front io_service_bytes_recursive_read=300i,io_serviced_recursive_read=30i,io_serviced_recursive_total=36i,io_serviced_recursive_write=1i,container_id="0123456789abcdef"
docker_container_cpu,container_name=ssh.service,container_status=running,cpu=cpu-total,engine_host=box,host=box,rack=r\ 1 usage_system=111239i,usage_total=5i
docker,engine_host=box,host=box,rack=r\ 1 memory_total=2000i,n_containers_running=3i,n_cpus=2i
docker_container_status,container_image=registry:5000/shop/web,container_name=web,container_status=exited,container_version=1.2,engine_host=box,host=box,rack=r\ 1,tier=front exitcode=137i,oomkilled=true,container_id="0123456789abcdef"
docker_container_cpu,container_image=registry:5000/shop/web,container_name=web,container_status=exited,container_version=1.2,cpu=cpu-total,engine_host=box,host=box,rack=r\ 1,tier=front usage_total=43i,container_id="0123456789abcdef"
"#,
    );
}

#[test]
fn the_schema_of_cadvisor() {
    check(
        Schema::Cadvisor,
        r"
cpu_usage_total,container_name=web,machine=box,rack=r\ 1,tier=front value=42i
cpu_usage_user,container_name=web,machine=box,rack=r\ 1,tier=front value=30i
cpu_usage_system,container_name=web,machine=box,rack=r\ 1,tier=front value=12i
cpu_cfs_periods,container_name=web,machine=box,rack=r\ 1,tier=front value=6i
cpu_cfs_throttled_periods,container_name=web,machine=box,rack=r\ 1,tier=front value=5i
cpu_cfs_throttled_time,container_name=web,machine=box,rack=r\ 1,tier=front value=4i
memory_usage,container_name=web,machine=box,rack=r\ 1,tier=front value=600i
memory_cache,container_name=web,machine=box,rack=r\ 1,tier=front value=150i
memory_rss,container_name=web,machine=box,rack=r\ 1,tier=front value=400i
memory_working_set,container_name=web,machine=box,rack=r\ 1,tier=front value=500i
memory_failcnt,container_name=web,machine=box,rack=r\ 1,tier=front value=1i
rx_bytes,container_name=web,machine=box,rack=r\ 1,tier=front value=23i
tx_bytes,container_name=web,machine=box,rack=r\ 1,tier=front value=7i
fs_reads,container_name=web,device=vda,machine=box,rack=r\ 1,tier=front value=10i
fs_reads,container_name=web,device=vdb,machine=box,rack=r\ 1,tier=front value=20i
fs_reads_bytes,container_name=web,device=vda,machine=box,rack=r\ 1,tier=front value=100i
fs_reads_bytes,container_name=web,device=vdb,machine=box,rack=r\ 1,tier=front value=200i
fs_writes,container_name=web,device=vdb,machine=box,rack=r\ 1,tier=front value=1i
memory_failure,container_name=web,failure_type=pgfault,machine=box,rack=r\ 1,scope=container,tier=front value=9i
memory_failure,container_name=web,failure_type=pgfault,machine=box,rack=r\ 1,scope=hierarchical,tier=front value=9i
memory_failure,container_name=web,failure_type=pgmajfault,machine=box,rack=r\ 1,scope=container,tier=front value=2i
memory_failure,container_name=web,failure_type=pgmajfault,machine=box,rack=r\ 1,scope=hierarchical,tier=front value=2i
cpu_usage_total,container_name=/system.slice/ssh.service,machine=box,rack=r\ 1 value=5i
cpu_usage_total,container_name=/,machine=box,rack=r\ 1 value=7239i
cpu_usage_user,container_name=/,machine=box,rack=r\ 1 value=1200i
cpu_usage_system,container_name=/,machine=box,rack=r\ 1 value=39i
memory_limit,container_name=/,machine=box,rack=r\ 1 value=2000i
rx_bytes,container_name=/,machine=box,rack=r\ 1 value=45i
fs_reads,container_name=/,device=vda,machine=box,rack=r\ 1 value=11i
fs_limit,container_name=/,device=/dev/vda1,machine=box,rack=r\ 1,type=limit value=70i
fs_usage,container_name=/,device=/dev/vda1,machine=box,rack=r\ 1,type=usage value=40i
cpu_usage_total,container_name=web,machine=box,rack=r\ 1,tier=front value=43i
",
    );
}

#[test]
fn the_format_of_2014() {
    check(
        Schema::Influxdb08,
        r#"
{"name":"stats","columns":["time","sequence_number","machine","container_name","cpu_cumulative_usage","memory_usage","memory_working_set","rx_bytes","tx_bytes"],"points":[[1700000001123456,1317647736,"box","web",42,600,500,23,7]]}
{"name":"stats","columns":["time","sequence_number","machine","container_name","cpu_cumulative_usage"],"points":[[1700000001123456,4277432762,"box","/system.slice/ssh.service",5]]}
{"name":"stats","columns":["time","sequence_number","machine","container_name","cpu_cumulative_usage","rx_bytes"],"points":[[1700000001123456,2186581487,"box","/",7239,45]]}
{"name":"stats","columns":["time","sequence_number","machine","container_name","fs_device","fs_limit","fs_usage"],"points":[[1700000001123456,3832621940,"box","/","/dev/vda1",70,40]]}
{"name":"stats","columns":["time","sequence_number","machine","container_name","cpu_cumulative_usage"],"points":[[1700000002123456,1317647736,"box","web",43]]}
"#,
    );
}
