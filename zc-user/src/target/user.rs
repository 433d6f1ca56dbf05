//! Who a command runs as.
//!
//! zc is started with `sudo` because the kernel lets only root trace, but the command that it
//! watches is the user's own and is to run as it would without zc.

use std::{
    env,
    ffi::{CString, OsStr, OsString},
    path::PathBuf,
};

use nix::{
    errno::Errno,
    unistd::{Gid, Uid, User, getgrouplist},
};
use rustix::thread::{CapabilitySet, capabilities};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::report::text::harmless;

/// Why nobody can be chosen.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UserError {
    /// Neither a name nor an id there.
    #[error("no user {0} in this system's user database")]
    Unknown(String),
    /// `sudo` says who called it, but that is nobody.
    #[error("SUDO_UID is {0}, which is no user in this system's user database: give --user")]
    UnknownCaller(u32),
    /// An environment variable of `sudo` that cannot be what it is for.
    #[error("{variable} is not a number that can be an id: {value}")]
    NotAnId {
        /// The variable.
        variable: &'static str,
        /// What it holds.
        value: String,
    },
    /// Changing users takes CAP_SETUID and CAP_SETGID.
    #[error("only root can run a command as {0}: run zc with sudo, or leave out --user")]
    NotRoot(String),
    /// The C library could not look.
    #[error("cannot read this system's user database: {}", .0.desc())]
    Database(Errno),
}

/// Another user than the one that zc runs as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// What the kernel is told.
    pub ids: Ids,
    /// USER and LOGNAME.
    pub name: String,
    /// HOME.
    pub home: PathBuf,
}

/// A user's ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    /// The user's.
    pub uid: u32,
    /// The primary group's.
    pub gid: u32,
    /// All groups', the primary one among them.
    pub groups: Vec<u32>,
}

/// Who a command runs as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// `None`: whoever runs zc.
    pub other: Option<Other>,
}

impl Credentials {
    /// Whom the user of zc `asked` for, by name or number; else who called `sudo`, if zc is root
    /// and `SUDO_UID` and `SUDO_GID` say so (sudo(8)); else whoever runs zc.
    ///
    /// # Errors
    /// When there is no such user, this process may not become another, a variable of `sudo` is
    /// no number, or the database cannot be read.
    pub fn choose(asked: Option<&OsStr>) -> Result<Self, UserError> {
        let sudo = env::var_os("SUDO_UID").zip(env::var_os("SUDO_GID"));
        let effective = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
        Caller {
            uid: rustix::process::getuid().as_raw(),
            may_change: effective.contains(CapabilitySet::SETUID | CapabilitySet::SETGID),
            sudo,
        }
        .choose(asked)
    }

    /// The environment variables that tell a command who it is; none where that does not change.
    pub fn environment(&self) -> Vec<(&'static str, &OsStr)> {
        self.other.iter().flat_map(Other::environment).collect()
    }
}

impl Other {
    fn environment(&self) -> [(&'static str, &OsStr); 3] {
        let name = OsStr::new(&self.name);
        [("HOME", self.home.as_os_str()), ("USER", name), ("LOGNAME", name)]
    }
}

/// Who runs zc.
struct Caller {
    uid: u32,
    may_change: bool,
    /// SUDO_UID and SUDO_GID.
    sudo: Option<(OsString, OsString)>,
}

impl Caller {
    fn choose(&self, asked: Option<&OsStr>) -> Result<Credentials, UserError> {
        let (user, gid) = match (asked, &self.sudo) {
            (Some(asked), _) => {
                let user = named(asked)?;
                let gid = user.gid.as_raw();
                (user, gid)
            }
            // Anybody can set the variables; only root believes them.
            (None, Some((uid, gid))) if self.uid == 0 => {
                let (uid, gid) = (id("SUDO_UID", uid)?, id("SUDO_GID", gid)?);
                (
                    look(User::from_uid(Uid::from_raw(uid)))?
                        .ok_or(UserError::UnknownCaller(uid))?,
                    gid,
                )
            }
            _ => return Ok(Credentials::default()),
        };
        if user.uid.as_raw() == self.uid {
            return Ok(Credentials::default());
        }
        if !self.may_change {
            return Err(UserError::NotRoot(harmless(&user.name)));
        }
        let ids = Ids { uid: user.uid.as_raw(), gid, groups: groups(&user.name, gid)? };
        Ok(Credentials { other: Some(Other { ids, name: user.name, home: user.dir }) })
    }
}

/// A user by name or, where no name is such, by number: as chown(1) reads it.
fn named(asked: &OsStr) -> Result<User, UserError> {
    let unknown = || UserError::Unknown(harmless(&asked.to_string_lossy()));
    let text = asked.to_str().ok_or_else(unknown)?;
    if let Some(user) = look(User::from_name(text))? {
        return Ok(user);
    }
    let uid = number(text).ok_or_else(unknown)?;
    look(User::from_uid(Uid::from_raw(uid)))?.ok_or_else(unknown)
}

/// What the C library found. Of a user that is not there it may say so by an error
/// (getpwnam_r(3) lists these).
fn look(found: nix::Result<Option<User>>) -> Result<Option<User>, UserError> {
    match found {
        Err(Errno::ENOENT | Errno::ESRCH | Errno::EBADF | Errno::EPERM) => Ok(None),
        found => found.map_err(UserError::Database),
    }
}

fn groups(name: &str, gid: u32) -> Result<Vec<u32>, UserError> {
    let name = CString::new(name).map_err(|_| UserError::Unknown(harmless(name)))?;
    let groups = getgrouplist(&name, Gid::from_raw(gid)).map_err(UserError::Database)?;
    Ok(groups.into_iter().map(Gid::as_raw).collect())
}

fn id(variable: &'static str, value: &OsStr) -> Result<u32, UserError> {
    value
        .to_str()
        .and_then(number)
        .ok_or_else(|| UserError::NotAnId { variable, value: harmless(&value.to_string_lossy()) })
}

/// An id. All ones is none: to setresuid(2) it means "leave it", and the command would stay root.
fn number(text: &str) -> Option<u32> {
    // `parse` would take a sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|id| digits && *id != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(sudo: Option<(&str, &str)>) -> Caller {
        let sudo = sudo.map(|(uid, gid)| (uid.into(), gid.into()));
        Caller { uid: 0, may_change: true, sudo }
    }

    /// User 65534 is `nobody` on every Linux (linux/highuid.h, and distributions follow).
    const NOBODY: u32 = 65534;

    #[test]
    fn without_sudo_it_is_whoever_runs_zc() {
        assert_eq!(root(None).choose(None), Ok(Credentials::default()));
        let user = Caller { uid: 1000, may_change: false, sudo: Some(("0".into(), "0".into())) };
        assert_eq!(user.choose(None), Ok(Credentials::default()), "a user cannot claim sudo");
    }

    #[test]
    fn with_sudo_it_is_who_called_it() {
        let chosen = root(Some(("65534", "7"))).choose(None).unwrap();
        let other = chosen.other.as_ref().unwrap();
        assert_eq!((other.ids.uid, other.ids.gid), (NOBODY, 7));
        assert!(other.ids.groups.contains(&7), "{other:?}");
        assert_eq!(other.name, "nobody");
        let names: Vec<_> = chosen.environment().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["HOME", "USER", "LOGNAME"]);
        assert_eq!(root(Some(("0", "0"))).choose(None), Ok(Credentials::default()));
    }

    #[test]
    fn another_by_name_or_number() {
        for asked in ["nobody", "65534"] {
            let chosen = root(Some(("0", "0"))).choose(Some(asked.as_ref())).unwrap();
            assert_eq!(chosen.other.unwrap().ids.uid, NOBODY, "{asked}");
        }
        let own = root(Some(("65534", "65534"))).choose(Some("root".as_ref()));
        assert_eq!(own, Ok(Credentials::default()), "asking wins over sudo");
    }

    #[test]
    fn what_cannot_be_is_said() {
        let say = |caller: &Caller, asked: Option<&str>| {
            caller.choose(asked.map(OsStr::new)).unwrap_err().to_string()
        };
        let none = "no user no\\u{1b}body in this system's user database";
        assert_eq!(say(&root(None), Some("no\u{1b}body")), none);
        for asked in ["4294967295", "-1", "+0", "", "99999999999"] {
            let said = say(&root(None), Some(asked));
            assert_eq!(said, format!("no user {asked} in this system's user database"));
        }
        let said = say(&root(Some(("10x", "1"))), None);
        assert_eq!(said, "SUDO_UID is not a number that can be an id: 10x");
        let said = say(&root(Some(("1", "4294967295"))), None);
        assert_eq!(said, "SUDO_GID is not a number that can be an id: 4294967295");
        assert!(say(&root(Some(("3999999999", "1"))), None).contains("give --user"));
        let user = Caller { uid: 1000, may_change: false, sudo: None };
        assert!(say(&user, Some("nobody")).starts_with("only root can run a command as nobody"));
    }
}
