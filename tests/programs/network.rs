//! Programs that send a file over loopback TCP.

use super::{
    account::bytes,
    observe::{at_once, listening, serving},
    report::Copied,
    room::{Room, SIZE, compile_python, free_port},
    sink::Sink,
};

#[test]
fn curl_reads_the_file_and_sends_it() {
    let room = Room::new();
    let sink = Sink::of_an_upload();
    let url = format!("http://127.0.0.1:{}/f", sink.port);
    let seen = at_once(&room, &["curl", "--silent", "--upload-file", "f", &url]);
    room.write("g", &sink.received());
    room.assert_same("f", "g");
    let header = bytes(&seen.calls, "sendto") - SIZE;
    assert!((1..1000).contains(&header), "{header} bytes of header");
    seen.assert_copied(0);
}

#[test]
fn socket_sendfile_copies_nothing() {
    compile_python();
    let room = Room::new();
    let sink = Sink::of_anything();
    let script = format!(
        "import socket\n\
         with socket.create_connection(('127.0.0.1', {})) as s, open('f', 'rb') as f:\n \
         s.sendfile(f)",
        sink.port
    );
    let seen = at_once(&room, &["python3", "-c", &script]);
    room.write("g", &sink.received());
    room.assert_same("f", "g");
    assert_eq!(bytes(&seen.calls, "sendfile"), SIZE);
    let flow = seen.trace.flow("sendfile", "regular file", "TCP");
    assert_eq!(flow.copied.all(), Some(Copied::NONE), "{flow:?}");
    assert_eq!((flow.copies_per_byte, &*flow.verdict), (Some(0.0), "zero-copy"), "{flow:?}");
    seen.assert_copied(0);
}

#[test]
fn http_server_reads_the_file_and_sends_it() {
    compile_python();
    let room = Room::new();
    let port = free_port();
    let server = ["python3", "-m", "http.server", "--bind", "127.0.0.1", &port.to_string()];
    let server = listening(&room, &server, port);
    let url = format!("http://127.0.0.1:{port}/f");
    let fetch = || room.run(&["curl", "--silent", "--output", "g", &url]);
    // For the first request it also reads the table of media types.
    fetch();
    room.remove("g");
    let seen = serving(&room, server.0.id(), || drop(fetch()));
    room.assert_same("f", "g");
    assert_eq!(bytes(&seen.calls, "read"), SIZE);
    let header = bytes(&seen.calls, "sendto") - SIZE;
    assert!((1..1000).contains(&header), "{header} bytes of header");
    seen.assert_copied(0);
}
