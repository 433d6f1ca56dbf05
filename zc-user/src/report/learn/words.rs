//! What views of labs say around the texts, in each language.

use crate::{learn::Lang, result::learn::Outcome};

/// The words of one language.
#[derive(Debug)]
pub struct Words {
    /// Above a question.
    pub question: &'static str,
    /// What the learner said.
    pub predicted: &'static str,
    /// What was counted.
    pub measured: &'static str,
    /// Above the numbers that explain it.
    pub facts: &'static str,
    /// Above the reason.
    pub why: &'static str,
    /// Above what to try next.
    pub variation: &'static str,
    /// What stands where nothing was measured.
    pub nothing: &'static str,
    /// The heads of the table of all.
    pub lab: &'static str,
    /// A lab's title.
    pub title: &'static str,
    /// What became of a prediction.
    pub outcome: &'static str,
    /// What asks for a prediction.
    pub prompt: &'static str,
    /// What is said of one that is no number.
    pub no_number: &'static str,
    /// What a prediction's number counts.
    pub unit: &'static str,
    /// What a number that explains it counts.
    pub fact: &'static str,
    /// A page's title.
    pub page_title: &'static str,
    /// Above all labs.
    pub labs: &'static str,
    /// Above what the numbers rest on.
    pub rests: &'static str,
    /// That nothing was lost.
    pub complete: &'static str,
    /// That something was.
    pub incomplete: &'static str,
    right: &'static str,
    wrong: &'static str,
    not_supported: &'static str,
    lost: &'static str,
}

static EN: Words = Words {
    question: "Question",
    predicted: "predicted",
    measured: "measured",
    facts: "What was counted",
    why: "Why",
    variation: "Try this",
    nothing: "nothing",
    lab: "lab",
    title: "about",
    outcome: "outcome",
    prompt: "Your prediction",
    no_number: "Type a number, such as 4 or 64K",
    unit: "unit",
    fact: "what",
    page_title: "zc learn: predict, measure, see why",
    labs: "Labs",
    rests: "What this rests on",
    complete: "Complete: no count was lost, and everything that was relied on was watched.",
    incomplete: "Not complete:",
    right: "right",
    wrong: "wrong",
    not_supported: "not supported here",
    lost: "counts were lost, so nothing is known: run it again",
};

static ZH: Words = Words {
    question: "问题",
    predicted: "预测",
    measured: "实测",
    facts: "计数结果",
    why: "为什么",
    variation: "试一试",
    nothing: "无",
    lab: "实验",
    title: "内容",
    outcome: "结果",
    prompt: "你的预测",
    no_number: "请输入一个数，例如 4 或 64K",
    unit: "单位",
    fact: "项目",
    page_title: "zc learn：先预测，再测量，看为什么",
    labs: "实验",
    rests: "这些数字可靠吗",
    complete: "完整：没有丢失计数，所依赖的都观测到了。",
    incomplete: "不完整：",
    right: "正确",
    wrong: "错误",
    not_supported: "这台机器不支持",
    lost: "计数有丢失，无法判断：请重新运行",
};

impl Words {
    /// Those of `lang`.
    pub fn of(lang: Lang) -> &'static Self {
        match lang {
            Lang::En => &EN,
            Lang::Zh => &ZH,
        }
    }

    /// What became of a prediction.
    pub fn outcome_of(&self, outcome: Outcome) -> &'static str {
        match outcome {
            Outcome::Right => self.right,
            Outcome::Wrong => self.wrong,
            Outcome::NotSupported => self.not_supported,
            Outcome::Lost => self.lost,
        }
    }
}
