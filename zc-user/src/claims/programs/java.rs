//! Java's channels.

use super::{
    super::{Assertion, Claim},
    Program, Seen,
    peer::Peer,
    stage::Stage,
    trace::TCP,
};

pub(in crate::claims) const JAVA: Claim = Claim {
    id: "21",
    says: "Java's FileChannel.transferTo is zero copy",
    who: "Java's documentation",
    needs: &[],
    parts: &[Assertion {
        says: "file to socket: the CPU copies no byte of the file in the sender",
        decide: |evidence| evidence.program(&TRANSFER)?.uncopied(TCP),
    }],
};

const SOURCE: &str = r#"
import java.net.InetSocketAddress;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;

public class Send {
    public static void main(String[] words) throws Exception {
        var to = new InetSocketAddress("127.0.0.1", Integer.parseInt(words[0]));
        try (var file = FileChannel.open(Path.of("f")); var socket = SocketChannel.open(to)) {
            for (long sent = 0; sent < file.size();) {
                sent += file.transferTo(sent, file.size() - sent, socket);
            }
        }
    }
}
"#;

pub(super) const TRANSFER: Program = Program {
    name: "FileChannel.transferTo",
    observe: |stage: &Stage<'_>| {
        let who = stage.version("java", "--version")?;
        stage.write("Send.java", SOURCE)?;
        let sink = Peer::sink()?;
        let trace = stage.trace(&["java", "Send.java", &sink.port.to_string()])?;
        Ok(Seen { who, payload: stage.check(&sink.result()?)?, trace })
    },
};
