//! Programs come and go: attached at the start, taken out and brought back as families are switched.

use agent_ebpf::maps;
use aya::programs::{BtfTracePoint, CgroupSkb, Program, ProgramError};

use super::{
    Kernel, KernelError, Options,
    cost::line_of,
    error::map_error,
    load::Loader,
    network,
    plan::off,
    programs::{Hook, Role},
    report::{NotNeeded, ProgramReport, ProgramState, is_loaded, refusal},
};
use crate::{
    metrics::catalog::{Family, Source},
    text::chain,
};

impl Kernel {
    /// Attaches all programs that are loaded: births first, then counting, so that a cgroup made from here on has its
    /// slot before its first task runs.
    pub fn attach_all(&mut self) -> Result<(), KernelError> {
        self.attach(|role| !role.counts())?;
        self.attach(Role::counts)
    }

    /// Attaches the programs of the given roles. One on packets that cannot be is no error but a report: others may
    /// have a claim on the packets of all cgroups, and the rest goes without.
    pub fn attach(&mut self, wanted: impl Fn(Role) -> bool) -> Result<(), KernelError> {
        for at in 0..self.programs.len() {
            let report = &self.programs[at];
            if report.state == ProgramState::Loaded && wanted(report.spec.role) {
                self.attach_one(at)?;
            }
        }
        Ok(())
    }

    /// Attaches one that is loaded.
    fn attach_one(&mut self, at: usize) -> Result<(), KernelError> {
        let report = &mut self.programs[at];
        let name = report.spec.name;
        let Some(program) = self.ebpf.program_mut(name) else {
            return Ok(());
        };
        if report.spec.role == Role::Metric(Source::SchedSwitchTurns)
            && let Some(takers) = &mut self.takers
        {
            takers.forget_turns().map_err(map_error(maps::TURNS))?;
        }
        match (report.spec.hook, &self.network) {
            (Hook::Tracepoint { .. }, _) => {
                attach_to_tracepoint(program).map_err(|source| KernelError::Attach {
                    program: name,
                    source: Box::new(source),
                })?;
            }
            (Hook::Packets(direction), Some(network)) => {
                if let Err(error) = network.attach(program, direction) {
                    report.forbidden = network::is_forbidden(&error);
                    report.state = ProgramState::Refused(refusal(&error));
                }
            }
            (Hook::Packets(_), None) => {}
        }
        Ok(())
    }

    /// The same with any failure as a report.
    fn attach_or_report(&mut self, at: usize) {
        if self.programs[at].state != ProgramState::Loaded {
            return;
        }
        if let Err(error) = self.attach_one(at) {
            self.programs[at].state = ProgramState::Refused(chain(&error));
        }
    }

    /// Takes out the program that does the same as this one, and less.
    fn make_way_for(&mut self, at: usize) {
        let ProgramReport { spec, state, .. } = &self.programs[at];
        if *state != ProgramState::Loaded {
            return;
        }
        let better = spec.name;
        for lesser in 0..self.programs.len() {
            let ProgramReport { spec, state, .. } = &self.programs[lesser];
            if spec.better() == Some(better) && *state == ProgramState::Loaded {
                self.unload(lesser, NotNeeded::Better(better));
            }
        }
    }

    /// Takes a program out of the kernel; what it counted stays.
    fn unload(&mut self, at: usize, reason: NotNeeded) {
        let report = &mut self.programs[at];
        let Some(program) = self.ebpf.program_mut(report.spec.name) else {
            return;
        };
        self.former_misses += line_of(program, "recursion_misses:").unwrap_or_default();
        // An error says that it was not loaded, which is as well.
        drop(match report.spec.hook {
            Hook::Tracepoint { .. } => {
                <&mut BtfTracePoint>::try_from(program).map(BtfTracePoint::unload)
            }
            Hook::Packets(_) => <&mut CgroupSkb>::try_from(program).map(CgroupSkb::unload),
        });
        report.state = ProgramState::NotNeeded(reason);
    }

    /// Takes the programs out of the kernel that `options` wants no more, and loads and attaches those that it wants
    /// again. The others go on undisturbed, and what was counted stays. But for its families, `options` must be what
    /// the kernel side was loaded with. A program that cannot be had any more is a report, not an error.
    pub fn switch(&mut self, options: &Options) -> Result<(), KernelError> {
        let mut back = Vec::new();
        for at in 0..self.programs.len() {
            let ProgramReport { spec, state, .. } = &self.programs[at];
            let off = off(options, self.timing, spec, &self.programs);
            match (off, state) {
                (Some(reason), ProgramState::Loaded) => self.unload(at, reason),
                (Some(reason), ProgramState::NotNeeded(NotNeeded::Better(_))) => {
                    self.programs[at].state = ProgramState::NotNeeded(reason);
                }
                (None, ProgramState::NotNeeded(NotNeeded::Off(Family::Preemption)))
                    if self.takers.is_none() =>
                {
                    let reason = "its records are made at the start, and it was off then";
                    self.programs[at].state = ProgramState::Unsupported(reason.to_owned());
                }
                (None, ProgramState::NotNeeded(NotNeeded::Off(_))) => back.push(at),
                // Its better one stands before it, and may just have gone.
                (None, ProgramState::NotNeeded(NotNeeded::Better(better)))
                    if !is_loaded(&self.programs, |it| it.name == *better) =>
                {
                    back.push(at);
                }
                _ => {}
            }
        }
        if back.is_empty() {
            return Ok(());
        }
        let loader = Loader::new(options)?;
        for at in back {
            let spec = self.programs[at].spec;
            self.programs[at] = loader.report(&mut self.ebpf, spec, &self.programs, self.timing);
            self.make_way_for(at);
            self.attach_or_report(at);
        }
        Ok(())
    }
}

fn attach_to_tracepoint(program: &mut Program) -> Result<(), ProgramError> {
    let program: &mut BtfTracePoint = program.try_into()?;
    program.attach().map(|_| ())
}
