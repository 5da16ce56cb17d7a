//! Reads the kernel's own type information: member offsets, enum values, tracepoint signatures.
//!
//! The format is that of Documentation/bpf/btf.rst (Linux 6.12). One pass over some 126,000 types keeps only where
//! each lies; names are compared only for the structures asked for. No library serves: `aya_obj` keeps its members to
//! itself, and `btf-rs` takes three times as long and 41 MB for a dozen offsets (measured).

use std::{collections::HashMap, fs, io, path::Path};

/// Where the kernel publishes its types.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xeb9f;
const KIND_PTR: u32 = 2;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_FUNC_PROTO: u32 = 13;

/// Why type information cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// The file is missing or unreadable.
    #[error("cannot read the kernel's type information {path}")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The bytes are not BTF of a known form.
    #[error("the kernel's type information is malformed: {0}")]
    Malformed(&'static str),
}

/// The kernel's types.
#[derive(Debug)]
pub(super) struct Btf {
    types: Vec<u8>,
    strings: Vec<u8>,
    /// Offset into `types` of each type, by id; id 0 is `void`.
    offsets: Vec<u32>,
    /// Structures, enums and typedefs by name.
    named: HashMap<String, u32>,
}

/// What a tracepoint passes, as far as it matters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Argument {
    /// A pointer to the structure of that name.
    Pointer(String),
    /// Anything else.
    Other,
}

/// One type's fixed part.
struct Type {
    name: u32,
    kind: u32,
    count: usize,
    /// Whether members carry a bit-field size in the upper byte of their offset.
    bit_fields: bool,
    argument: u32,
    /// Where its variable part lies in `types`.
    body: usize,
}

impl Btf {
    /// Reads `path` and remembers the types called one of `names`, and all `btf_trace_*` typedefs.
    pub(super) fn read(path: &Path, names: &[&str]) -> Result<Self, BtfError> {
        let data = fs::read(path).map_err(|source| BtfError::Read {
            path: path.display().to_string(),
            source,
        })?;
        Self::parse(&data, names)
    }

    /// Parses BTF; see [`Btf::read`].
    pub(super) fn parse(data: &[u8], names: &[&str]) -> Result<Self, BtfError> {
        const CUT: BtfError = BtfError::Malformed("cut short");
        if data.get(..2) != Some(&MAGIC.to_ne_bytes()) {
            return Err(BtfError::Malformed("wrong magic number or byte order"));
        }
        let word = |at: usize| word(data, at).ok_or(CUT);
        let header = word(4)? as usize;
        let section = |offset: u32, length: u32| {
            let start = header.checked_add(offset as usize)?;
            data.get(start..start.checked_add(length as usize)?)
        };
        let types = section(word(8)?, word(12)?).ok_or(CUT)?.to_vec();
        let strings = section(word(16)?, word(20)?).ok_or(CUT)?.to_vec();
        let mut btf = Self {
            types,
            strings,
            offsets: vec![0],
            named: HashMap::new(),
        };
        btf.index(names).ok_or(CUT)?;
        Ok(btf)
    }

    /// Byte offset of a member, followed through nested structures: `["sched_info", "run_delay"]` of `task_struct`.
    /// `None` if the type, a member, or a whole-byte place for it does not exist.
    pub(super) fn offset(&self, structure: &str, members: &[&str]) -> Option<u64> {
        let mut id = *self.named.get(structure)?;
        let mut bits = 0;
        for member in members {
            let (member_bits, member_type) = self.member(id, member)?;
            bits += member_bits;
            id = self.resolved(member_type)?;
        }
        (bits % 8 == 0).then_some(bits / 8)
    }

    /// Value of an enumerator.
    pub(super) fn enumerator(&self, enumeration: &str, name: &str) -> Option<u32> {
        let of = self.get(*self.named.get(enumeration)?)?;
        (of.kind == KIND_ENUM).then_some(())?;
        (0..of.count).map(|n| of.body + 8 * n).find_map(|at| {
            let named = self.string(word(&self.types, at)?)? == name;
            if named {
                word(&self.types, at + 4)
            } else {
                None
            }
        })
    }

    /// What the tracepoint `name` passes to its programs; `None` if this kernel has no such tracepoint.
    pub(super) fn tracepoint(&self, name: &str) -> Option<Vec<Argument>> {
        let typedef = self.get(*self.named.get(&format!("btf_trace_{name}"))?)?;
        let pointer = self.get(self.resolved(typedef.argument)?)?;
        let prototype = self.get(self.resolved(pointer.argument)?)?;
        (pointer.kind == KIND_PTR && prototype.kind == KIND_FUNC_PROTO).then_some(())?;
        // The first parameter is the tracepoint's own data, which programs do not see.
        (1..prototype.count)
            .map(|n| {
                let id = self.resolved(word(&self.types, prototype.body + 8 * n + 4)?)?;
                Some(self.pointee(id).map_or(Argument::Other, Argument::Pointer))
            })
            .collect()
    }

    fn pointee(&self, id: u32) -> Option<String> {
        let pointer = self.get(id)?;
        (pointer.kind == KIND_PTR).then_some(())?;
        let target = self.get(self.resolved(pointer.argument)?)?;
        (target.kind == KIND_STRUCT).then(|| self.string(target.name).map(str::to_owned))?
    }

    /// Bit offset and type of a member, looked for in anonymous structures and unions too.
    fn member(&self, id: u32, name: &str) -> Option<(u64, u32)> {
        let of = self.get(id)?;
        matches!(of.kind, KIND_STRUCT | KIND_UNION).then_some(())?;
        (0..of.count).map(|n| of.body + 12 * n).find_map(|at| {
            let member_name = self.string(word(&self.types, at)?)?;
            let member_type = word(&self.types, at + 4)?;
            let offset = word(&self.types, at + 8)?;
            let bits = u64::from(if of.bit_fields {
                offset & 0x00ff_ffff
            } else {
                offset
            });
            if member_name == name {
                return Some((bits, member_type));
            }
            if !member_name.is_empty() {
                return None;
            }
            let (inner, found) = self.member(self.resolved(member_type)?, name)?;
            Some((bits + inner, found))
        })
    }

    /// `id` without typedefs, `const`, `volatile`, `restrict` and type tags.
    fn resolved(&self, mut id: u32) -> Option<u32> {
        // A chain longer than this is a loop.
        for _ in 0..32 {
            if id == 0 {
                return Some(0);
            }
            let of = self.get(id)?;
            if !matches!(of.kind, KIND_TYPEDEF | 9..=11 | 18) {
                return Some(id);
            }
            id = of.argument;
        }
        None
    }

    fn index(&mut self, names: &[&str]) -> Option<()> {
        let mut at = 0;
        while at < self.types.len() {
            let of = self.read_type(at)?;
            let id = u32::try_from(self.offsets.len()).ok()?;
            self.offsets.push(u32::try_from(at).ok()?);
            if matches!(of.kind, KIND_STRUCT | KIND_ENUM | KIND_TYPEDEF) {
                let name = self.string(of.name)?;
                let wanted = match of.kind {
                    KIND_TYPEDEF => name.starts_with("btf_trace_"),
                    _ => names.contains(&name),
                };
                if wanted {
                    let name = name.to_owned();
                    self.named.insert(name, id);
                }
            }
            at = of.body + body_bytes(of.kind, of.count)?;
        }
        Some(())
    }

    fn get(&self, id: u32) -> Option<Type> {
        if id == 0 {
            return None;
        }
        self.read_type(*self.offsets.get(id as usize)? as usize)
    }

    fn read_type(&self, at: usize) -> Option<Type> {
        let info = word(&self.types, at + 4)?;
        Some(Type {
            name: word(&self.types, at)?,
            kind: (info >> 24) & 0x1f,
            count: (info & 0xffff) as usize,
            bit_fields: info >> 31 != 0,
            argument: word(&self.types, at + 8)?,
            body: at + 12,
        })
    }

    fn string(&self, offset: u32) -> Option<&str> {
        let rest = self.strings.get(offset as usize..)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(&rest[..end]).ok()
    }
}

/// Length of what follows a type's fixed part; `None` for a kind this reader does not know.
fn body_bytes(kind: u32, count: usize) -> Option<usize> {
    Some(match kind {
        1 | 14 | 17 => 4,
        3 => 12,
        KIND_STRUCT | KIND_UNION | 15 | 19 => 12 * count,
        KIND_ENUM | KIND_FUNC_PROTO => 8 * count,
        2 | 7..=12 | 16 | 18 => 0,
        _ => return None,
    })
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    bytes.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 2] = ["task_struct", "cgroup_subsys_id"];

    fn running_kernel() -> Option<Btf> {
        let read = Btf::read(Path::new(VMLINUX), &NAMES);
        if read.is_err() {
            println!("SKIP btf: this kernel publishes no type information");
        }
        read.ok()
    }

    #[test]
    fn a_member_of_a_nested_structure_lies_within_the_outer_one() {
        let Some(btf) = running_kernel() else { return };
        let sched_info = btf.offset("task_struct", &["sched_info"]).unwrap();
        let run_delay = btf
            .offset("task_struct", &["sched_info", "run_delay"])
            .unwrap();
        assert!(
            (sched_info..sched_info + 64).contains(&run_delay),
            "sched_info={sched_info} run_delay={run_delay}"
        );
    }

    #[test]
    fn what_the_kernel_lacks_is_none() {
        let Some(btf) = running_kernel() else { return };
        assert_eq!(btf.offset("task_struct", &["no_such_member"]), None);
        assert_eq!(btf.offset("no_such_struct", &["pid"]), None);
        assert_eq!(btf.tracepoint("no_such_tracepoint"), None);
        assert_eq!(btf.enumerator("cgroup_subsys_id", "no_such_cgrp_id"), None);
    }

    #[test]
    fn a_tracepoint_tells_its_arguments() {
        let Some(btf) = running_kernel() else { return };
        let arguments = btf.tracepoint("cgroup_mkdir").unwrap();
        assert_eq!(arguments[0], Argument::Pointer("cgroup".to_owned()));
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error_and_no_panic() {
        let Ok(data) = fs::read(VMLINUX) else { return };
        for length in [0, 1, 2, 7, 23, 24, 100, data.len() / 2, data.len() - 1] {
            assert!(
                Btf::parse(&data[..length], &NAMES).is_err(),
                "length={length}"
            );
        }
    }
}
