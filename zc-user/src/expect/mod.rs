//! Theory beside measurement: what a transfer should cost, and whether it did.

use std::{fmt, str::FromStr};

use serde::Serialize;

use crate::probes::catalogue::Direction;

/// A predicted number and the formula that it comes from (`N` payload bytes, `c` bytes a call).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// The number.
    pub value: u64,
    /// How it is derived.
    pub formula: &'static str,
}

/// A term.
pub const fn term(value: u64, formula: &'static str) -> Term {
    Term { value, formula }
}

/// No such cost.
pub const NOTHING: Term = term(0, "0");

/// What one side of a transfer should cost, beyond what an empty payload costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Bytes copied from the process into the kernel.
    pub user_to_kernel: Term,
    /// Bytes copied from the kernel into the process.
    pub kernel_to_user: Term,
    /// Bytes copied inside the kernel on the process's behalf.
    pub kernel_to_kernel: Term,
    /// System calls.
    pub syscalls: Term,
    /// Page faults in user mode. Buffers are touched before the run, so that most styles have none.
    pub page_faults: Term,
}

/// What is predicted, measured and compared for each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Bytes copied by the CPU from the process into the kernel.
    UserToKernel,
    /// Bytes copied by the CPU from the kernel into the process.
    KernelToUser,
    /// Bytes copied by the CPU inside the kernel.
    KernelToKernel,
    /// System calls.
    Syscalls,
    /// Crossings between user and kernel mode by system calls and page faults.
    ModeSwitches,
    /// Page faults in user mode.
    PageFaults,
}

impl Quantity {
    /// All, in the order of reports.
    pub const ALL: [Self; 6] = [
        Self::UserToKernel,
        Self::KernelToUser,
        Self::KernelToKernel,
        Self::Syscalls,
        Self::ModeSwitches,
        Self::PageFaults,
    ];

    /// The direction, for a copy.
    pub fn direction(self) -> Option<Direction> {
        match self {
            Self::UserToKernel => Some(Direction::UserToKernel),
            Self::KernelToUser => Some(Direction::KernelToUser),
            Self::KernelToKernel => Some(Direction::KernelToKernel),
            _ => None,
        }
    }

    /// The name used in JSON and in `--predict`.
    pub fn name(self) -> &'static str {
        match self {
            Self::UserToKernel => "user_to_kernel",
            Self::KernelToUser => "kernel_to_user",
            Self::KernelToKernel => "kernel_to_kernel",
            Self::Syscalls => "syscalls",
            Self::ModeSwitches => "mode_switches",
            Self::PageFaults => "page_faults",
        }
    }
}

impl Cost {
    /// Nothing at all.
    pub const NOTHING: Self = Self {
        user_to_kernel: NOTHING,
        kernel_to_user: NOTHING,
        kernel_to_kernel: NOTHING,
        syscalls: NOTHING,
        page_faults: NOTHING,
    };

    /// The predicted value of `quantity`.
    pub fn of(&self, quantity: Quantity) -> Term {
        match quantity {
            Quantity::UserToKernel => self.user_to_kernel,
            Quantity::KernelToUser => self.kernel_to_user,
            Quantity::KernelToKernel => self.kernel_to_kernel,
            Quantity::Syscalls => self.syscalls,
            Quantity::ModeSwitches if self.page_faults == NOTHING => {
                term(2 * self.syscalls.value, "2 × system calls")
            }
            Quantity::ModeSwitches => term(
                2 * (self.syscalls.value + self.page_faults.value),
                "2 × (system calls + page faults)",
            ),
            Quantity::PageFaults => self.page_faults,
        }
    }
}

/// The two ends of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Reads the file, writes the socket.
    Sender,
    /// Reads the socket.
    Receiver,
}

impl Side {
    /// The name used in JSON and in `--predict`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Receiver => "receiver",
        }
    }
}

/// Whether theory and measurement agree.
///
/// In order of severity: the worst of several decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Equal, to the byte.
    Verified,
    /// Nothing was measured, so nothing can be said.
    #[serde(rename = "not observed")]
    NotObserved,
    /// Both numbers are known and differ.
    Refuted,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Verified => "verified",
            Self::NotObserved => "not observed",
            Self::Refuted => "refuted",
        })
    }
}

impl Verdict {
    /// Compares exactly.
    pub fn of(predicted: u64, measured: Option<u64>) -> Self {
        match measured {
            None => Self::NotObserved,
            Some(measured) if measured == predicted => Self::Verified,
            Some(_) => Self::Refuted,
        }
    }
}

/// Somebody's own prediction in place of the formula's: `STYLE.SIDE.QUANTITY=NUMBER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guess {
    /// Name of the style.
    pub style: &'static str,
    /// Which end.
    pub side: Side,
    /// Of what.
    pub quantity: Quantity,
    /// The guess.
    pub value: u64,
}

impl FromStr for Guess {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "write STYLE.SIDE.QUANTITY=NUMBER, as in sendfile.sender.syscalls=1024";
        let (key, value) = text.split_once('=').ok_or(FORM)?;
        let [style, side, quantity] = key.split('.').collect::<Vec<_>>()[..] else {
            return Err(FORM.into());
        };
        Ok(Self {
            style: crate::transfer::style(style)
                .map(|style| style.name)
                .ok_or_else(|| format!("'{style}' is not a style: see zc lab --list"))?,
            side: [Side::Sender, Side::Receiver]
                .into_iter()
                .find(|known| known.name() == side)
                .ok_or_else(|| format!("'{side}' is not a side: sender or receiver"))?,
            quantity: Quantity::ALL.into_iter().find(|known| known.name() == quantity).ok_or_else(
                || {
                    let known: Vec<_> = Quantity::ALL.iter().map(|known| known.name()).collect();
                    format!("'{quantity}' is not a quantity: {}", known.join(", "))
                },
            )?,
            value: value.parse().map_err(|_| format!("'{value}' is not a whole number"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::{Plan, receive, styles::in_textbooks};

    const PLAN: Plan = Plan::plain(64 << 20, 64 << 10);

    #[test]
    fn the_textbook_styles_cost_what_the_books_say() {
        let n = PLAN.bytes;
        let costs = in_textbooks().iter().map(|style| {
            let cost = (style.sender.cost)(PLAN);
            let copies = [cost.kernel_to_user, cost.user_to_kernel, cost.kernel_to_kernel];
            (style.name, copies.map(|term| term.value / n), cost.of(Quantity::ModeSwitches).value)
        });
        assert_eq!(
            costs.collect::<Vec<_>>(),
            [
                ("read-send", [1, 1, 0], 4096),
                ("mmap-send", [0, 1, 0], 2048),
                ("sendfile", [0, 0, 0], 2048),
                ("splice", [0, 0, 0], 4096),
            ]
        );
        assert_eq!((receive::TCP.cost)(PLAN).kernel_to_user.value, n);
    }

    #[test]
    fn nothing_measured_is_not_zero() {
        assert_eq!(Verdict::of(0, None), Verdict::NotObserved);
        assert_eq!(Verdict::of(0, Some(0)), Verdict::Verified);
        assert_eq!(Verdict::of(1, Some(0)), Verdict::Refuted);
        assert!(
            Verdict::Verified < Verdict::NotObserved && Verdict::NotObserved < Verdict::Refuted
        );
    }

    #[test]
    fn a_guess_names_what_is_wrong_with_it() {
        assert_eq!(
            "sendfile.sender.syscalls=3".parse(),
            Ok(Guess {
                style: "sendfile",
                side: Side::Sender,
                quantity: Quantity::Syscalls,
                value: 3
            })
        );
        for (text, says) in [
            ("x", "STYLE.SIDE"),
            ("a.b=1", "STYLE.SIDE"),
            ("nope.sender.syscalls=1", "'nope' is not a style"),
            ("sendfile.middle.syscalls=1", "'middle' is not a side"),
            ("sendfile.sender.luck=1", "'luck' is not a quantity"),
            ("sendfile.sender.syscalls=-1", "'-1' is not a whole number"),
        ] {
            let error = text.parse::<Guess>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
