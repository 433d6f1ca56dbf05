//! nginx as a server of files.

use super::{
    super::{Assertion, Claim, Unobservable},
    Program, Seen,
    peer::{free_port, get},
    stage::Stage,
    trace::TCP,
};

pub(in crate::claims) const NGINX: Claim = Claim {
    id: "20",
    says: "nginx with sendfile on is zero copy",
    who: "nginx's documentation",
    needs: &[],
    parts: &[
        Assertion {
            says: "a plain file: the CPU copies no byte of the body",
            decide: |evidence| evidence.program(&PLAIN)?.uncopied(TCP),
        },
        Assertion {
            says: "with gzip: the CPU copies no byte of the body",
            decide: |evidence| evidence.program(&GZIP)?.uncopied(TCP),
        },
    ],
};

pub(super) const PLAIN: Program = Program {
    name: "nginx",
    observe: |stage: &Stage<'_>| {
        let (_, body, seen) = serve(stage, "")?;
        stage.check(&body)?;
        Ok(seen)
    },
};

pub(super) const GZIP: Program = Program {
    name: "nginx with gzip",
    observe: |stage: &Stage<'_>| {
        let (head, _, seen) = serve(stage, "gzip on; gzip_comp_level 1; gzip_http_version 1.0;")?;
        if !head.contains("Content-Encoding: gzip") {
            return Err(Unobservable::Lacking(format!("{} did not compress the file", seen.who)));
        }
        Ok(seen)
    },
};

/// Head and body of the answer, and what nginx did for it from its start to its end.
fn serve(stage: &Stage<'_>, settings: &str) -> Result<(String, Vec<u8>, Seen), Unobservable> {
    let who = stage.version("nginx", "-v")?;
    let port = free_port()?;
    stage.write("nginx.conf", &configuration(port, settings))?;
    let folder = stage.path("");
    let folder =
        folder.to_str().ok_or_else(|| Unobservable::Lacking("the path is not UTF-8".into()))?;
    let nginx = ["nginx", "-p", folder, "-c", "nginx.conf", "-e", "error.log"];
    let (trace, (head, body)) = stage.serve(&nginx, port, || get(port, "/f"))?;
    if !head.starts_with("HTTP/1.1 200 ") {
        let status = head.lines().next().unwrap_or_default();
        return Err(Unobservable::Lacking(format!("{who} answers {status}")));
    }
    let payload = body.len() as u64;
    Ok((head, body, Seen { who, payload, trace }))
}

fn configuration(port: u16, settings: &str) -> String {
    // A worker that is not root may not enter the folder.
    format!(
        "daemon off; user root; worker_processes 1; pid nginx.pid;
         events {{ worker_connections 64; }}
         http {{
           default_type text/html; access_log off; sendfile on; {settings}
           server {{ listen 127.0.0.1:{port}; root .; }}
         }}"
    )
}
