//! Layers → [`Config`]: ranges, defaults that depend on other settings, and what must not stand together. Each
//! complaint names its key; all are told at once.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::{
    Budget, Collect, Complaints, Config, Key, Labels, Log, Percent, Resolved, Select, Ship,
    Surroundings, http,
    reader::Reader,
    rules::{absolute, any, distinct, name, within},
    sinks, socket,
};
use crate::{
    container::Rule,
    metrics::catalog::{Families, Family},
};

/// Makes one configuration of all layers, or says all that is wrong with them.
pub fn resolve(around: &Surroundings<'_>) -> Result<Resolved, Complaints> {
    let (given, mut warnings) = around.given()?;
    let mut reader = Reader::of(given);
    let state_dir = state_dir(&mut reader);
    let collect = collect(&mut reader);
    let budget = budget(&mut reader, collect.interval);
    let host = host(&mut reader);
    let tags = tags(&mut reader);
    let labels = labels(&mut reader);
    let select = select(&mut reader);
    let ship = ship(&mut reader);
    let http = http::read(&mut reader, around, collect.interval, &mut warnings);
    let sinks = sinks::read(&mut reader, around, collect.interval, &mut warnings);
    let socket = socket::read(
        &mut reader,
        around,
        state_dir.as_deref(),
        &sinks,
        &mut warnings,
    );
    let log = log(&mut reader);
    reader.finish();
    match (state_dir, host) {
        (Some(state_dir), Some(host)) if reader.complaints.is_empty() => Ok(Resolved {
            config: Config {
                collect,
                budget,
                host,
                tags,
                labels,
                select,
                ship,
                http,
                socket,
                sinks,
                log,
                state_dir,
                stands_in: false,
            },
            settings: reader.settings,
            warnings,
        }),
        _ => Err(Complaints(reader.complaints)),
    }
}

fn state_dir(reader: &mut Reader) -> Option<PathBuf> {
    let missing = "cannot be told without HOME; set state_dir or CGFLUX_STATE_DIR";
    reader.required(&Key::of("state_dir"), missing, absolute)
}

fn collect(reader: &mut Reader) -> Collect {
    let default = Collect::default();
    let millis = Duration::from_millis;
    let minute = Duration::from_mins(1);
    let interval = reader.setting(
        &Key::of("collect.interval"),
        default.interval,
        within(millis(100)..=minute),
    );
    Collect {
        interval,
        file_interval: reader.setting(
            &Key::of("collect.file_interval"),
            default.file_interval.max(interval),
            within(interval..=Duration::from_hours(1)),
        ),
        slots: reader.setting(
            &Key::of("collect.slots"),
            default.slots,
            within(64..=65_536),
        ),
        source: reader.setting(&Key::of("collect.source"), default.source, any),
        exact: reader.setting(&Key::of("collect.exact"), default.exact, any),
        skip_programs: reader.setting(
            &Key::of("collect.skip_programs"),
            default.skip_programs,
            |names| distinct(names),
        ),
        families: families(reader),
    }
}

fn families(reader: &mut Reader) -> Families {
    let section = Key::of("families");
    let mut on = Families::DEFAULT;
    for family in Family::SWITCHABLE {
        let key = section.child(family.as_str()).child("enabled");
        on = if reader.setting(&key, Families::DEFAULT.has(family), any) {
            on.with(family)
        } else {
            on.without(family)
        };
    }
    let names = Family::SWITCHABLE.map(Family::as_str);
    for child in reader.children(&section) {
        let name = child.parts().last().map_or("", String::as_str);
        if name == Family::Cpu.as_str() {
            reader.refuse(&child, "CPU time is always measured; leave this out");
        } else if !names.contains(&name) {
            let problem = format!("no such family; there are: {}", names.join(", "));
            reader.refuse(&child, &problem);
        }
    }
    on
}

fn budget(reader: &mut Reader, interval: Duration) -> Budget {
    let default = Budget::default();
    let shortest = interval * Budget::TICKS_PER_WINDOW;
    Budget {
        cpu: reader.setting(
            &Key::of("budget.cpu_percent"),
            default.cpu,
            within(Percent(0)..=Percent::of(1_000)),
        ),
        window: reader.setting(
            &Key::of("budget.window"),
            default.window.max(shortest),
            within(shortest..=Duration::from_hours(1)),
        ),
    }
}

fn host(reader: &mut Reader) -> Option<String> {
    let missing = "cannot be told from inside a container; set it, or CGFLUX_HOST or NODE_NAME";
    reader.required(&Key::of("host.name"), missing, name)
}

/// Text that can be shown. Which names are free, and what a tag can carry, is left to the encoder.
fn tags(reader: &mut Reader) -> BTreeMap<String, String> {
    let section = Key::of("tags");
    let mut tags = BTreeMap::new();
    if !reader.enter(&section) {
        return tags;
    }
    for key in reader.children(&section) {
        if !reader.has(&key) {
            continue;
        }
        let tag = key.parts().last().cloned().unwrap_or_default();
        if let Err(problem) = name(&tag) {
            reader.complain(&key, problem);
        }
        if let Some(value) = reader.optional(&key, name) {
            tags.insert(tag, value);
        }
    }
    tags
}

fn labels(reader: &mut Reader) -> Labels {
    let check = |allow: &Vec<String>| {
        for label in allow {
            name(label).map_err(|problem| format!("holds a label that {problem}"))?;
        }
        distinct(allow)
    };
    Labels {
        allow: reader.setting(&Key::of("labels.allow"), Labels::default().allow, check),
    }
}

fn select(reader: &mut Reader) -> Select {
    let default = Select::default();
    let mut rules = |name, default: Vec<Rule>| {
        let key = Key::of("select").child(name);
        reader.setting(&key, default, |rules| distinct(rules))
    };
    Select {
        include: rules("include", default.include),
        exclude: rules("exclude", default.exclude),
    }
}

fn ship(reader: &mut Reader) -> Ship {
    let default = Ship::default();
    Ship {
        units: reader.setting(&Key::of("ship.units"), default.units, any),
        cgroups: reader.setting(&Key::of("ship.cgroups"), default.cgroups, any),
        max_names: reader.setting(
            &Key::of("ship.max_names"),
            default.max_names,
            within(1..=1_000_000),
        ),
    }
}

fn log(reader: &mut Reader) -> Log {
    let default = Log::default();
    Log {
        format: reader.setting(&Key::of("log.format"), default.format, any),
        level: reader.setting(&Key::of("log.level"), default.level, any),
    }
}
