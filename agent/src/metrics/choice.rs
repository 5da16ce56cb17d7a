//! What of all there is one scrape shows: under whose names, and which families.

use super::{
    Metric,
    catalog::{Families, Family},
};

/// Under whose names metrics are served; never under nobody's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Names {
    cgflux: bool,
    cadvisor: bool,
}

/// What a scrape shows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Choice {
    /// Under whose names.
    pub names: Names,
    /// Which families; what the agent says of itself stands there in any case.
    pub families: Families,
}

impl Choice {
    /// The choice of a scrape whose URL has this query: `?names=cadvisor`, `?families=cpu,memory`. What the query does
    /// not say is as in `self`. Parameters of other names are none of ours; cAdvisor has some.
    pub fn asked(self, query: &str) -> Result<Self, String> {
        let of = |wanted: &str| {
            let pairs = form_urlencoded::parse(query.as_bytes());
            let values = pairs.filter(|(name, _)| name == wanted);
            let words = values.flat_map(|(_, value)| {
                let words = value.split(',').map(|word| word.trim().to_owned());
                words.collect::<Vec<String>>()
            });
            let words: Vec<String> = words.collect();
            (!words.is_empty()).then_some(words)
        };
        let told = |parameter: &'static str| move |problem| format!("{parameter} {problem}");
        let names = of("names").map(|words| Names::of(&words));
        let families = of("families").map(|words| families(&words));
        Ok(Self {
            names: names
                .transpose()
                .map_err(told("names"))?
                .unwrap_or(self.names),
            families: families
                .transpose()
                .map_err(told("families"))?
                .unwrap_or(self.families),
        })
    }

    /// Whether a metric of ours is shown. What cAdvisor calls the same is of both vocabularies: `process_*`.
    pub fn shows(self, metric: &Metric) -> bool {
        let is_ours_alone = metric.prometheus.starts_with("cgflux_");
        (self.names.cgflux || !is_ours_alone) && self.families.cover(metric)
    }

    /// Whether metrics are shown under cAdvisor's names.
    pub fn is_cadvisors(self) -> bool {
        self.names.cadvisor
    }
}

impl Names {
    /// Both vocabularies.
    pub const ALL: Self = Self {
        cgflux: true,
        cadvisor: true,
    };
    /// The words for them.
    pub const WORDS: [&str; 2] = ["cgflux", "cadvisor"];

    /// Those named by `words`, or what is wrong, to continue after the name of the setting.
    pub fn of(words: &[String]) -> Result<Self, String> {
        let known = known(words, &Self::WORDS)?;
        let [cgflux, cadvisor] = Self::WORDS.map(|word| known.contains(&word));
        Ok(Self { cgflux, cadvisor })
    }

    /// Their words.
    pub fn words(self) -> Vec<String> {
        let is_in = [self.cgflux, self.cadvisor];
        let words = Self::WORDS.iter().zip(is_in).filter(|(_, is_in)| *is_in);
        words.map(|(word, _)| (*word).to_owned()).collect()
    }
}

impl Default for Names {
    fn default() -> Self {
        Self::ALL
    }
}

/// The families named by `words`, or what is wrong, to continue after the name of the setting.
pub fn families(words: &[String]) -> Result<Families, String> {
    let all = Family::ALL;
    let known = known(words, &all.map(Family::as_str))?;
    let named = all.into_iter().filter(|it| known.contains(&it.as_str()));
    Ok(named.fold(Families::NONE, Families::with))
}

fn known<'w>(words: &'w [String], all: &[&str]) -> Result<Vec<&'w str>, String> {
    let listed = || all.join(", ");
    if words.is_empty() {
        return Err(format!("is empty; write at least one of {}", listed()));
    }
    match words.iter().find(|word| !all.contains(&word.as_str())) {
        Some(unknown) => Err(format!("holds {unknown:?}; there are: {}", listed())),
        None => Ok(words.iter().map(String::as_str).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::catalog;

    #[test]
    fn a_query_chooses_and_what_it_does_not_say_stays() {
        let both = Choice::default();
        let cadvisors = both.asked("names=cadvisor&type=docker").unwrap();
        assert_eq!(cadvisors.names.words(), ["cadvisor"]);
        assert_eq!(cadvisors.families, Families::ALL);
        let two = cadvisors.asked("families=cpu%2Cmemory").unwrap();
        assert_eq!(
            two,
            cadvisors.asked("families=memory&families=cpu").unwrap()
        );
        assert_eq!(two.names, cadvisors.names);
        assert!(two.families.has(Family::Cpu) && !two.families.has(Family::Oom));
        assert_eq!(
            both.asked("names=cadvisor,cgflux&families="),
            both.asked("families=")
        );
    }

    #[test]
    fn an_unknown_word_is_refused_with_the_known_ones() {
        for (query, reason) in [
            (
                "names=telegraf",
                r#"names holds "telegraf"; there are: cgflux, cadvisor"#,
            ),
            (
                "families=cpu,disk",
                r#"families holds "disk"; there are: cpu, sched, preemption, block_io, network, memory, pressure, pids, space, oom, host"#,
            ),
            ("names=", r#"names holds ""; there are: cgflux, cadvisor"#),
        ] {
            assert_eq!(
                Choice::default().asked(query),
                Err(reason.to_owned()),
                "{query}"
            );
        }
    }

    #[test]
    fn what_both_call_the_same_is_shown_under_either_name() {
        let cadvisors = Choice::default().asked("names=cadvisor").unwrap();
        assert!(cadvisors.shows(&catalog::AGENT_RSS) && !cadvisors.shows(&catalog::CPU_USAGE));
        let cpu = Choice::default().asked("families=cpu").unwrap();
        assert!(cpu.shows(&catalog::AGENT_LOSSES) && !cpu.shows(&catalog::OOM_KILLS));
    }
}
