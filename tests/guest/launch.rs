//! Commands that zc starts, as another user, where every program is static: the C library finds
//! users without its loadable modules, and without /etc/nsswitch.conf.

use std::{ffi::OsString, fs, os::unix::fs::PermissionsExt, path::Path};

use zc::target::{
    command::{CommandLine, Launch},
    user::{Credentials, UserError},
};

use crate::support::{scratch, zc};

/// What a shell's `script` says when it runs as the user `asked` for.
fn says(script: &str, asked: &str) -> String {
    let folder = scratch();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let out = folder.path().join("out");
    let script = format!("exec > {}; {script}", out.display());
    let argv = ["sh", "-c", &script].map(OsString::from).to_vec();
    let user = Credentials::choose(Some(asked.as_ref())).unwrap();
    let mut launch =
        Launch::start_with(Path::new(zc().get_program()), &CommandLine { argv, user }).unwrap();
    launch.release().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert!(runtime.block_on(launch.wait()).unwrap().success());
    fs::read_to_string(out).unwrap()
}

#[test]
fn a_user_is_found_by_name_and_by_number() {
    let script = "id -u; id -g; id -G; echo $HOME $USER $LOGNAME; grep Cap /proc/self/status";
    for asked in ["user", "1000"] {
        let said = says(script, asked);
        let mut lines = said.lines();
        let mut next = || lines.next().unwrap();
        assert_eq!([next(), next(), next()], ["1000"; 3], "{said}");
        assert_eq!(next(), "/home/user user user");
        // Inheritable, permitted, effective; the bounding set is as it was; ambient.
        let sets: Vec<_> = lines.filter(|line| !line.starts_with("CapBnd")).collect();
        assert!(sets.len() == 4 && sets.iter().all(|set| set.ends_with("\t0000000000000000")));
    }
    assert_eq!(says("id -u; id -g", "nobody"), "65534\n65534\n");
}

#[test]
fn a_user_that_is_not_there_is_named() {
    let unknown = Credentials::choose(Some("no-such-user".as_ref()));
    assert_eq!(unknown, Err(UserError::Unknown("no-such-user".into())));
    let unknown = Credentials::choose(Some("4242".as_ref()));
    assert_eq!(unknown, Err(UserError::Unknown("4242".into())));
}
