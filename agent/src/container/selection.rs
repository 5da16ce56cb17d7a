//! Which entries have a series of their own, by the operator's rules, and what becomes of the others.
//!
//! Nothing that was measured is lost by a rule: what is left out is added up, so sums close.

use std::fmt;

use wildmatch::WildMatch;

use super::{Container, Kind, Runtime, image_repository};

/// Under which series an entry is published.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Share {
    /// Its own.
    #[default]
    Own,
    /// What the rules leave out, and what came beyond the bound on new names: `_other`.
    Other,
    /// Shipped as a part of `_host`; `/metrics` and the page show it by itself all the same.
    Host,
}

/// What is published one by one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Selection {
    /// Systemd services and scopes too, where no rule includes anything.
    pub units: bool,
    /// Other cgroups too, where no rule includes anything.
    pub cgroups: bool,
    /// If there is any: what one of these fits, of every kind, and nothing else.
    pub include: Vec<Rule>,
    /// What one of these fits is left out, whatever includes it.
    pub exclude: Vec<Rule>,
    /// New names an hour at most; entries with more are left out.
    pub max_names: u32,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            units: false,
            cgroups: false,
            include: Vec::new(),
            exclude: Vec::new(),
            max_names: 10_000,
        }
    }
}

impl Selection {
    /// Under which series `container` is published by the rules. `name` is the one its runtime gave it: the one it is shown under
    /// may have something appended.
    pub fn share(&self, container: &Container, name: &str) -> Share {
        let fits = |rules: &[Rule]| rules.iter().any(|rule| rule.fits(container, name));
        if fits(&self.exclude) {
            return Share::Other;
        }
        let is_wanted = if self.include.is_empty() {
            match container.kind() {
                Kind::Container => true,
                Kind::Unit => self.units,
                Kind::Cgroup => self.cgroups,
                Kind::Other | Kind::Host => false,
            }
        } else {
            fits(&self.include)
        };
        match (is_wanted, container.kind()) {
            (true, _) => Share::Own,
            (false, Kind::Container) => Share::Other,
            (false, _) => Share::Host,
        }
    }
}

/// One rule: `name:web-*`, `label:team=blue`, `runtime:podman`. `*` stands for any text, also with slashes, `?` for
/// one character; capitals count.
#[derive(Clone, Debug)]
pub struct Rule {
    text: String,
    facet: Facet,
    /// `None` fits any value there is.
    pattern: Option<WildMatch>,
}

/// What of an entry a rule looks at.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Facet {
    Runtime,
    Name,
    Image,
    Label(String),
    Namespace,
    Path,
}

/// Why a text is no rule; continues "holds `text`, which ".
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RuleError {
    /// Nothing can fit it.
    #[error("fits nothing; write a pattern, as in \"{0}*\"")]
    Empty(String),
    /// No rule starts like that.
    #[error(
        "starts with no word of a rule; write one of runtime:, name:, image:, label:, namespace:, path:, or name:{0} for \
         a name with a colon"
    )]
    Facet(String),
    /// No runtime is called so.
    #[error("names no runtime; there are: {}", runtimes())]
    Runtime,
    /// A path is written from the root on.
    #[error("can fit no path, for each begins with a slash; write \"path:/{0}\"")]
    Path(String),
    /// No label is named.
    #[error("names no label; write \"label:KEY=VALUE\", or \"label:KEY\" for any value")]
    Label,
}

impl Rule {
    /// Reads a rule. A text without a word and a colon in front is a pattern for names.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        let (word, rest) = text.split_once(':').unwrap_or(("name", text));
        let (facet, pattern) = match word {
            "runtime" => (Facet::Runtime, rest),
            "name" => (Facet::Name, rest),
            "image" => (Facet::Image, rest),
            "namespace" => (Facet::Namespace, rest),
            "path" => (Facet::Path, rest),
            "label" => match rest.split_once('=') {
                Some((key, value)) => (Facet::Label(key.to_owned()), value),
                None => (Facet::Label(rest.to_owned()), ""),
            },
            _ => return Err(RuleError::Facet(text.to_owned())),
        };
        let rule = Self {
            text: text.to_owned(),
            pattern: (!(pattern.is_empty() && matches!(facet, Facet::Label(_))))
                .then(|| WildMatch::new(pattern)),
            facet,
        };
        rule.check(word, pattern)?;
        Ok(rule)
    }

    fn check(&self, word: &str, pattern: &str) -> Result<(), RuleError> {
        match &self.facet {
            Facet::Label(key) if key.is_empty() => Err(RuleError::Label),
            Facet::Label(_) => Ok(()),
            _ if pattern.is_empty() => Err(RuleError::Empty(format!("{word}:"))),
            Facet::Runtime if !RUNTIMES.iter().any(|it| self.matches(it.as_str())) => {
                Err(RuleError::Runtime)
            }
            Facet::Path if !pattern.starts_with(['/', '*', '?']) => {
                Err(RuleError::Path(pattern.to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn fits(&self, container: &Container, name: &str) -> bool {
        match &self.facet {
            Facet::Runtime => self.matches(container.runtime.as_str()),
            Facet::Name => self.matches(name),
            Facet::Image => container.image.as_deref().is_some_and(|image| {
                self.matches(image) || image_repository(image).is_some_and(|it| self.matches(it))
            }),
            Facet::Label(key) => container
                .labels
                .get(key)
                .is_some_and(|value| self.matches(value)),
            Facet::Namespace => container
                .namespace
                .as_deref()
                .is_some_and(|namespace| self.matches(namespace)),
            Facet::Path => self.matches(&container.path),
        }
    }

    fn matches(&self, value: &str) -> bool {
        self.pattern
            .as_ref()
            .is_none_or(|pattern| pattern.matches(value))
    }
}

/// Two rules are the same if they are written the same.
impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Rule {}

/// As it was written.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Runtimes that a rule can name.
const RUNTIMES: [Runtime; 9] = [
    Runtime::Docker,
    Runtime::Podman,
    Runtime::Containerd,
    Runtime::Crio,
    Runtime::Kubernetes,
    Runtime::Nspawn,
    Runtime::Lxc,
    Runtime::Systemd,
    Runtime::Cgroup,
];

fn runtimes() -> String {
    RUNTIMES.map(Runtime::as_str).join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::container::CgroupId;

    fn web() -> Container {
        Container {
            path: "/kubepods/burstable/pod1/abc".to_owned(),
            runtime: Runtime::Docker,
            name: "web-1-0533a1b2dc8d".to_owned(),
            image: Some("registry:5000/shop/web:1.2".to_owned()),
            namespace: Some("shop".to_owned()),
            labels: BTreeMap::from([("team".to_owned(), "blue".to_owned())]),
            ..Container::host(CgroupId(7))
        }
    }

    fn unit() -> Container {
        Container {
            path: "/system.slice/ssh.service".to_owned(),
            runtime: Runtime::Systemd,
            ..Container::host(CgroupId(8))
        }
    }

    fn rules(texts: &[&str]) -> Vec<Rule> {
        texts.iter().map(|it| Rule::parse(it).unwrap()).collect()
    }

    fn selection(include: &[&str], exclude: &[&str]) -> Selection {
        Selection {
            include: rules(include),
            exclude: rules(exclude),
            ..Selection::default()
        }
    }

    #[test]
    fn a_rule_fits_what_its_facet_matches() {
        for (rule, fits) in [
            ("web-1", true),
            ("web-?", true),
            ("web", false),
            ("Web-1", false),
            ("name:*", true),
            ("runtime:docker", true),
            ("runtime:*d", false),
            ("image:registry:5000/shop/web", true),
            ("image:registry:5000/shop/web:1.2", true),
            ("image:registry:5000/*", true),
            ("image:web", false),
            ("label:team=blue", true),
            ("label:team=b*", true),
            ("label:team", true),
            ("label:team=", true),
            ("label:team=red", false),
            ("label:tier", false),
            ("namespace:sh*", true),
            ("path:/kubepods/*", true),
            ("path:/kubepods", false),
        ] {
            let rule = Rule::parse(rule).unwrap();
            assert_eq!(rule.fits(&web(), "web-1"), fits, "{rule}");
        }
    }

    #[test]
    fn what_an_entry_lacks_fits_no_rule() {
        for rule in rules(&["image:*", "label:team", "namespace:*"]) {
            assert!(!rule.fits(&unit(), "ssh.service"), "{rule}");
        }
    }

    #[test]
    fn a_text_that_is_no_rule_says_what_to_write() {
        for (text, error) in [
            ("", "fits nothing; write a pattern, as in \"name:*\""),
            ("image:", "fits nothing; write a pattern, as in \"image:*\""),
            (
                "tag:blue",
                "starts with no word of a rule; write one of runtime:, name:, image:, label:, namespace:, path:, or \
                 name:tag:blue for a name with a colon",
            ),
            (
                "runtime:dokcer",
                "names no runtime; there are: docker, podman, containerd, crio, kubernetes, nspawn, lxc, systemd, cgroup",
            ),
            (
                "path:system.slice/*",
                "can fit no path, for each begins with a slash; write \"path:/system.slice/*\"",
            ),
            (
                "label:=blue",
                "names no label; write \"label:KEY=VALUE\", or \"label:KEY\" for any value",
            ),
        ] {
            assert_eq!(Rule::parse(text).unwrap_err().to_string(), error, "{text}");
        }
    }

    #[test]
    fn without_rules_containers_stand_alone_and_units_only_if_asked_for() {
        let mut selection = Selection::default();
        assert_eq!(selection.share(&web(), "web"), Share::Own);
        assert_eq!(selection.share(&unit(), "ssh.service"), Share::Host);
        selection.units = true;
        assert_eq!(selection.share(&unit(), "ssh.service"), Share::Own);
    }

    #[test]
    fn what_is_excluded_is_left_out_whatever_includes_it() {
        let selection = selection(&["web-*"], &["label:team=blue"]);
        assert_eq!(selection.share(&web(), "web-1"), Share::Other);
    }

    #[test]
    fn what_no_rule_includes_is_left_out_and_a_unit_stays_with_the_host() {
        let selection = selection(&["db", "path:/system.slice/cron*"], &[]);
        assert_eq!(selection.share(&web(), "web"), Share::Other);
        assert_eq!(selection.share(&web(), "db"), Share::Own);
        assert_eq!(selection.share(&unit(), "ssh.service"), Share::Host);
    }

    #[test]
    fn a_rule_can_ask_for_a_unit_and_take_one_away() {
        let asked = selection(&["ssh.*"], &[]);
        assert_eq!(asked.share(&unit(), "ssh.service"), Share::Own);
        let taken = selection(&[], &["runtime:systemd"]);
        assert_eq!(taken.share(&unit(), "ssh.service"), Share::Other);
    }
}
