//! The table of `demo ps`. Pure: a state in, text out.

use super::state::{Health, RunState, ServiceState};

/// Commands are cut here; `--json` has them whole.
const LONGEST_COMMAND: usize = 34;

/// A header and one line a service, then why any of them is not as it should be.
pub(super) fn table(services: &[ServiceState]) -> String {
    let header = [
        "NAME", "COMMAND", "STATE", "HEALTH", "PORTS", "CPU%", "MEMORY", "RESTARTS", "UPTIME",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(services.iter().map(row));
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|row| row[at].chars().count()).max();
            let padding = " ".repeat(width.unwrap_or(0) - cell.chars().count());
            // Numbers stand to the right.
            let is_number = (5..8).contains(&at);
            let (before, after) = if is_number {
                (padding.as_str(), "")
            } else {
                ("", padding.as_str())
            };
            line.push_str(before);
            line.push_str(cell);
            line.push_str(after);
            line.push_str("  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    for service in services {
        if let Some(error) = &service.last_error {
            text.extend([&service.name, ": ", error, "\n"]);
        }
    }
    text
}

fn row(service: &ServiceState) -> [String; 9] {
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    [
        service.name.clone(),
        shortened(&service.command),
        word(service.state).to_owned(),
        health(service.health).to_owned(),
        or_dash(service.ports.first().cloned()),
        or_dash(service.cpu_percent.map(|percent| format!("{percent:.1}"))),
        or_dash(service.memory_bytes.map(size)),
        service.restarts.to_string(),
        or_dash(service.uptime_s.map(duration)),
    ]
}

fn word(state: RunState) -> &'static str {
    match state {
        RunState::Waiting => "waiting",
        RunState::Running => "running",
        RunState::Restarting => "restarting",
        RunState::Stopped => "stopped",
    }
}

/// In the words of the file.
pub(super) fn health(health: Health) -> &'static str {
    match health {
        Health::Starting => "starting",
        Health::Healthy => "healthy",
        Health::Unhealthy => "unhealthy",
        Health::None => "-",
    }
}

fn shortened(command: &str) -> String {
    if command.chars().count() <= LONGEST_COMMAND {
        return command.to_owned();
    }
    let kept: String = command.chars().take(LONGEST_COMMAND - 1).collect();
    format!("{}…", kept.trim_end())
}

fn size(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::state::tests::service, *};

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut web = service("web");
        web.command = "cgflux web --listen 127.0.0.1:48080 --admin 127.0.0.1:18081".to_owned();
        let mut redis = service("redis");
        redis.state = RunState::Restarting;
        redis.health = Health::None;
        redis.cpu_percent = None;
        redis.memory_bytes = None;
        redis.uptime_s = None;
        redis.restarts = 2;
        redis.last_error = Some("ended (signal: 9)".to_owned());
        let expected = "\
NAME   COMMAND                             STATE       HEALTH   PORTS        CPU%   MEMORY  RESTARTS  UPTIME
web    cgflux web --listen 127.0.0.1:480…  running     healthy  127.0.0.1:1  12.3  3.0 MiB         0  1m05s
redis  redis --listen x                    restarting  -        127.0.0.1:1     -        -         2  -
redis: ended (signal: 9)
";
        assert_eq!(table(&[web, redis]), expected);
    }

    #[test]
    fn times_are_as_exact_as_one_cares_to_know() {
        assert_eq!(
            [59, 60, 3_599, 3_600, 90_000].map(duration),
            ["59s", "1m00s", "59m59s", "1h00m", "25h00m"]
        );
    }
}
