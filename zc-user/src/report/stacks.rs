//! The text views of copied bytes by their way through the kernel.

use std::fmt::Write;

use super::text::{bytes, harmless};
use crate::{
    probes::catalogue::Direction,
    result::stacks::SideStacks,
    stacks::{CopyStacks, Node, PathTree},
};

/// Columns that functions in a row may take.
const WIDTH: usize = 140;

/// Functions at the beginning that are always shown: the kernel's door, and which system call it is.
const HEAD: usize = 3;

/// A side of the lab.
pub(super) fn side(out: &mut String, side: &SideStacks) {
    let SideStacks { side, stacks, tree } = side;
    ways(out, side.name(), stacks, tree);
}

/// The ways on which `name` had its bytes copied, and what is missing.
pub(super) fn ways(out: &mut String, name: &str, stacks: &CopyStacks, paths: &PathTree) {
    // Writing to a String cannot fail.
    if paths.root().children.is_empty() {
        let _ = writeln!(out, "  {name}: nothing was copied on any way through the kernel");
    } else {
        let copied = bytes(stacks.bytes);
        let _ = writeln!(out, "  {name}: {copied} copied, by the way through the kernel:");
        out.push_str(&tree(paths, 4));
    }
    for problem in &stacks.problems {
        let _ = writeln!(out, "  {name}: not all ways are known: {problem}");
    }
    if let Some(reason) = &stacks.unnamed {
        let _ = writeln!(out, "  {name}: {reason}");
    }
}

/// The tree for people: functions that call only one other stand in a line with it. What a line shows
/// is the bytes copied at its end and below, and, where copies are made there itself, which way.
pub fn tree(paths: &PathTree, indent: usize) -> String {
    let mut out = String::new();
    for child in &paths.root().children {
        node(&mut out, child, indent);
    }
    out
}

fn node(out: &mut String, first: &Node, indent: usize) {
    let mut chain = vec![harmless(&first.frame)];
    let mut last = first;
    while let ([only], true) = (&last.children[..], last.own.is_empty()) {
        chain.push(harmless(&only.frame));
        last = only;
    }
    let shown = fit(&chain, WIDTH.saturating_sub(indent));
    let total = last.total();
    let own: Vec<_> = last
        .own
        .iter()
        .map(|(direction, own)| match *own == total {
            true => short(*direction).to_owned(),
            false => format!("{} {}", short(*direction), bytes(*own)),
        })
        .collect();
    let own = own.join(" + ");
    let line = format!("{:indent$}{shown}  {}  {own}", "", bytes(total));
    let _ = writeln!(out, "{}", line.trim_end());
    for child in &last.children {
        node(out, child, indent + 2);
    }
}

/// The functions in a row, without some in the middle where they are too many.
fn fit(chain: &[String], width: usize) -> String {
    const ARROW: &str = " → ";
    let whole = chain.join(ARROW);
    if whole.chars().count() <= width || chain.len() < HEAD + 2 {
        return whole;
    }
    let (head, rest) = chain.split_at(HEAD);
    let head = format!("{}{ARROW}…", head.join(ARROW));
    let mut tail = String::new();
    for function in rest.iter().rev() {
        let longer = format!("{ARROW}{function}{tail}");
        // The last one is always shown: there the bytes were copied.
        if !tail.is_empty() && head.chars().count() + longer.chars().count() > width {
            break;
        }
        tail = longer;
    }
    format!("{head}{tail}")
}

/// As in the lab's summary.
fn short(direction: Direction) -> &'static str {
    match direction {
        Direction::UserToKernel => "UK",
        Direction::KernelToUser => "KU",
        Direction::KernelToKernel => "KK",
    }
}

/// One line for each way, `outermost;…;innermost BYTES`: what flamegraph.pl, speedscope and others
/// take. Ways in more than one direction are one line.
pub fn folded(paths: &PathTree) -> String {
    let mut out = String::new();
    fold(&mut out, "", paths.root());
    out
}

fn fold(out: &mut String, way: &str, node: &Node) {
    let own: u64 = node.own.values().sum();
    if own > 0 {
        let _ = writeln!(out, "{way} {own}");
    }
    for child in &node.children {
        // What separates two functions is part of no name.
        let frame = harmless(&child.frame).replace(';', ":");
        let separator = if way.is_empty() { "" } else { ";" };
        fold(out, &format!("{way}{separator}{frame}"), child);
    }
}

#[cfg(test)]
mod tests {
    use Direction::{KernelToKernel, KernelToUser, UserToKernel};

    use super::*;
    use crate::stacks::{CopyPath, tests::path};

    fn small() -> Vec<CopyPath> {
        vec![
            path(KernelToUser, 1 << 20, "enter;sys_read;vfs_read;filemap_read"),
            path(UserToKernel, 3 << 20, "enter;sys_send;tcp_send"),
            path(KernelToKernel, 1 << 10, "enter;sys_send;tcp_send;xmit;skb_copy"),
        ]
    }

    #[test]
    fn functions_without_a_branch_stand_in_a_line() {
        let expected = "\
            \x20 enter  4 MiB\n\
            \x20   sys_send → tcp_send  3 MiB  UK 3 MiB\n\
            \x20     xmit → skb_copy  1 KiB  KK\n\
            \x20   sys_read → vfs_read → filemap_read  1 MiB  KU\n";
        assert_eq!(tree(&PathTree::of(&small()), 2), expected);
    }

    #[test]
    fn a_long_way_is_shown_without_its_middle() {
        let middle = ["a_function_in_the_middle"; 10].join(";");
        let paths = [path(KernelToUser, 1, &format!("enter;do;sys_read;{middle};filemap_read"))];
        let shown = tree(&PathTree::of(&paths), 0);
        assert!(shown.starts_with("enter → do → sys_read → … → "), "{shown}");
        assert!(shown.ends_with(" → filemap_read  1 B  KU\n"), "{shown}");
        assert!(shown.chars().count() < WIDTH + 12, "{shown}");
        let name = "x".repeat(2 * WIDTH);
        let paths = [path(KernelToUser, 1, &format!("enter;do;sys_read;skipped;{name}"))];
        let shown = tree(&PathTree::of(&paths), 0);
        assert_eq!(shown, format!("enter → do → sys_read → … → {name}  1 B  KU\n"));
    }

    #[test]
    fn folded_lines_begin_at_the_outermost_function_and_end_with_the_bytes() {
        let mut lines: Vec<_> =
            folded(&PathTree::of(&small())).lines().map(str::to_owned).collect();
        lines.sort();
        assert_eq!(
            lines,
            [
                "enter;sys_read;vfs_read;filemap_read 1048576",
                "enter;sys_send;tcp_send 3145728",
                "enter;sys_send;tcp_send;xmit;skb_copy 1024",
            ]
        );
        let both = [path(KernelToUser, 1, "a;b"), path(UserToKernel, 2, "a;b")];
        assert_eq!(folded(&PathTree::of(&both)), "a;b 3\n", "one line, whichever the direction");
        assert_eq!(folded(&PathTree::default()), "");
    }

    #[test]
    fn a_hostile_name_makes_no_frame_line_or_colour() {
        let mut hostile = path(KernelToUser, 5, "enter");
        hostile.frames.push("x;y\n\x1b[31m 7".to_owned());
        let paths = PathTree::of(&[hostile]);
        assert_eq!(folded(&paths), "enter;x:y\\u{a}\\u{1b}[31m 7 5\n");
        assert_eq!(tree(&paths, 0), "enter → x;y\\u{a}\\u{1b}[31m 7  5 B  KU\n");
    }
}
