//! Chinese, in simplified characters.

use super::Words;
use crate::{
    claims::Circumstances,
    expect::Side,
    probes::catalogue::Direction,
    result::picture::{Mover, Note, Place, Zone, bars::What},
};

/// Chinese.
pub static CHINESE: Words = Words {
    lang: "zh-Hans",
    place,
    band,
    zone,
    mover,
    note,
    what: |what| match what {
        What::Cpu(Direction::KernelToUser) => "KU",
        What::Cpu(Direction::UserToKernel) => "UK",
        What::Cpu(Direction::KernelToKernel) => "KK",
        _ => "",
    },
    side: |side| match side {
        Side::Sender => "发送方",
        Side::Receiver => "接收方",
    },
    not_observed: "未观测到",
    copies: |number| format!("每字节拷贝 {number} 次"),
    copied: |number| format!("拷贝了 {number}"),
    legend: "谁在搬运字节",
    in_words: "用文字表示",
    smaller: |number| format!("还有 {number} 个较小的流只列在表里。"),
    skip: "跳到正文",
    contents: "目录",
    scrolls: "可左右滚动",
    how,
    summary: "汇总",
    ways: "字节走过的路",
    side_by_side: "并排比较",
    directions: "KU：从内核拷到进程；UK：从进程拷到内核；KK：在内核里拷贝。CPU 拷贝几次，每个字节就算几次；\
                 设备搬运的不计在内。",
    copies_of_each_byte: "每个字节被 CPU 拷贝的次数",
    switches_for_each_mib: "每 MiB 的模式切换次数",
    repeat: "怎样重做一遍",
    command: "命令",
    kernel: "内核",
    tier: "观测层次",
    pointers: "图和条形里的每个数都带着它在 --json 输出中的位置（data-json，JSON 指针）和这个数本身（data-value）。",
};

fn place(place: Place) -> &'static str {
    match place {
        Place::Disk => "磁盘",
        Place::PageCache => "页缓存",
        Place::OtherPageCache => "另一文件的页缓存",
        Place::UserMemory(Side::Sender) => "发送方内存",
        Place::UserMemory(Side::Receiver) => "接收方内存",
        Place::SocketBuffer(Side::Sender) => "发送方套接字",
        Place::SocketBuffer(Side::Receiver) => "接收方套接字",
        Place::Packet => "完整的包",
        Place::Card(Side::Sender) => "网卡",
        Place::Card(Side::Receiver) => "接收方网卡",
        Place::UnixSocket => "unix 套接字",
        Place::Pipe => "管道",
        Place::SharedMemory => "共享内存",
        Place::Nowhere => "丢弃",
        Place::Memory => "进程内存",
        Place::KernelMemory => "内核内存",
        Place::Kind("") => "（不是文件）",
        Place::Kind(kind) => kind,
    }
}

fn band(zone: Zone) -> &'static str {
    match zone {
        Zone::User => "用户内存",
        Zone::Kernel => "内核内存",
        Zone::Device => "设备",
    }
}

fn zone(zone: Zone) -> &'static str {
    match zone {
        Zone::User => "经过进程的内存",
        Zone::Kernel => "只在内核里，不经过进程",
        Zone::Device => "设备与内存之间，不用 CPU",
    }
}

fn mover(mover: Mover) -> &'static str {
    match mover {
        Mover::Cpu(Direction::KernelToUser) => "CPU 拷贝 KU",
        Mover::Cpu(Direction::UserToKernel) => "CPU 拷贝 UK",
        Mover::Cpu(Direction::KernelToKernel) => "CPU 拷贝 KK",
        Mover::Dma => "DMA",
        Mover::Reference => "没有拷贝",
        Mover::Unknown => "未观测到",
    }
}

fn note(note: Note) -> &'static str {
    match note {
        Note::Warm => "没有从磁盘读：数据已在页缓存里",
        Note::NothingRead => "没有从磁盘读：即使读了文件，数据也已在页缓存里",
        Note::WrittenLater => "这段时间没有写磁盘：内核以后才把页缓存写回去",
        Note::NoCard => "没有交给网卡：环回接口和本地套接字不经过网卡",
        Note::Headers => "包括包头",
        Note::MachineWide => "这里的拷贝不记在任何进程名下，按整台机器计数",
        Note::Partly => "比有效数据少：其余的在这里没有拷贝",
        Note::Encrypted => "途中被加密：CPU 把每个字节读出来、改写，但这不是拷贝",
        Note::CardWrites => "网卡接收时写进内存的没有计数",
        Note::Later => "在发送的系统调用之后，由网络协议栈拷贝",
        Note::Unsaid => "原因见“这些数字可靠吗”一节",
    }
}

fn how(how: Circumstances) -> &'static str {
    match how {
        Circumstances::Warm => "文件在内存里，环回接口",
        Circumstances::Cold => "文件只在磁盘上，环回接口",
        Circumstances::Sharing => "能共享数据块的文件系统",
        Circumstances::Veth => "文件在内存里，veth 虚拟网卡",
        Circumstances::Nic => "文件只在磁盘上，做收集式 DMA 的网卡",
        Circumstances::NicWithoutGather => "文件只在磁盘上，不做收集的网卡",
        Circumstances::ColdVeth => "文件只在磁盘上，做收集的 veth",
        Circumstances::ColdVethWithoutGather => "文件只在磁盘上，不做收集的 veth",
    }
}
