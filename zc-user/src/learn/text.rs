//! The pages of the labs, in each language: a TOML file a lab.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::Lab;

/// A language that labs are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Lang {
    /// English.
    En,
    /// Chinese, in simplified characters.
    Zh,
}

impl Lang {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::En, Self::Zh];

    /// The user's, by the value of LC_ALL, LC_MESSAGES or LANG (locale(7)); English where it is neither.
    pub fn of_locale(locale: &str) -> Self {
        if locale.starts_with("zh") { Self::Zh } else { Self::En }
    }

    /// The paragraphs of `text`, each in one line.
    pub fn paragraphs(self, text: &str) -> impl Iterator<Item = String> {
        let joined = move |paragraph: &str| {
            let mut whole = String::new();
            for line in paragraph.lines() {
                if self.separates(whole.chars().last(), line.chars().next()) {
                    whole.push(' ');
                }
                whole.push_str(line);
            }
            whole
        };
        text.trim().split("\n\n").map(joined)
    }

    /// Whether a space stands between the last character of a line and the first of the next one. Chinese has
    /// spaces only around words of other languages.
    fn separates(self, before: Option<char>, after: Option<char>) -> bool {
        let (Some(before), Some(after)) = (before, after) else { return false };
        match self {
            Self::En => true,
            Self::Zh => {
                let pair = [before, after];
                pair.iter().any(char::is_ascii)
                    && pair.iter().all(|c| c.is_ascii() || is_chinese(*c))
            }
        }
    }

    /// As HTML and BCP 47 call it.
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh-Hans",
        }
    }
}

/// Whether `c` is a character of Chinese, and no punctuation.
fn is_chinese(c: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&c)
}

/// All that a lab says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    /// A command that shows another side of the same thing.
    #[serde(rename = "try")]
    attempt: String,
    en: Page,
    zh: Page,
}

/// What a lab says in one language. Lines are as they are to be shown; an empty one ends a paragraph.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// In a few words.
    pub title: String,
    /// What there is to know before the question.
    pub explanation: String,
    /// What is to be predicted: a number.
    pub question: String,
    /// What the number counts.
    pub unit: String,
    /// What the measurement shows. `{name}` stands for a fact.
    #[serde(skip_serializing)]
    why: String,
    /// What to try next, and what to look at there.
    pub variation: String,
    /// What each number that explains the answer counts.
    #[serde(skip_serializing)]
    facts: BTreeMap<String, String>,
    /// The command of the variation.
    #[serde(skip_deserializing, rename = "try")]
    pub attempt: String,
}

impl Lab {
    /// Its page in `lang`.
    ///
    /// # Errors
    /// Where the text is not what it has to be, which a test rules out.
    pub fn page(&self, lang: Lang) -> Result<Page, toml::de::Error> {
        let Text { attempt, en, zh } = toml::from_str(self.text)?;
        let page = match lang {
            Lang::En => en,
            Lang::Zh => zh,
        };
        Ok(Page { attempt, ..page })
    }
}

impl Page {
    /// Why the measurement came out as it did, with the numbers that were measured.
    pub(super) fn why(&self, facts: &[(&str, u64)]) -> String {
        let fill = |text: String, (name, measured): &(&str, u64)| {
            text.replace(&format!("{{{name}}}"), &measured.to_string())
        };
        facts.iter().fold(self.why.trim().to_owned(), fill)
    }

    /// What the fact `name` counts.
    pub(super) fn fact(&self, name: &str) -> String {
        self.facts.get(name).map_or(name, String::as_str).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::LABS, *};

    /// Columns of a terminal that a line takes: characters of Chinese take two.
    fn columns(line: &str) -> usize {
        line.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum()
    }

    #[test]
    fn every_lab_says_all_of_it_in_each_language() {
        for lab in LABS {
            let pages =
                Lang::ALL.map(|lang| lab.page(lang).unwrap_or_else(|e| panic!("{lab:?}: {e}")));
            for page in &pages {
                let Page { title, explanation, question, unit, why, variation, attempt, .. } = page;
                for text in [title, explanation, question, unit, why, variation, attempt] {
                    assert!(!text.trim().is_empty(), "{lab:?}");
                    let long = text.lines().find(|line| columns(line) > 80);
                    assert_eq!(long, None, "{lab:?}: longer than 80 columns");
                }
                assert!(
                    Lang::En.paragraphs(explanation).count() >= 3,
                    "{lab:?}: a page, not a line"
                );
                for name in why.split('{').skip(1).filter_map(|rest| rest.split_once('}')) {
                    assert!(page.facts.contains_key(name.0), "{lab:?}: {}", name.0);
                }
            }
            let names = |page: &Page| page.facts.keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&pages[0]), names(&pages[1]), "{lab:?}");
        }
    }

    #[test]
    fn chinese_is_chinese_and_english_is_english() {
        let chinese = |text: &str| text.chars().any(is_chinese);
        for lab in LABS {
            for (lang, is_chinese) in [(Lang::En, false), (Lang::Zh, true)] {
                let Page { title, explanation, question, unit, why, variation, facts, .. } =
                    lab.page(lang).unwrap();
                let mut texts = vec![title, explanation, question, unit, why, variation];
                texts.extend(facts.into_values());
                for text in texts {
                    assert_eq!(chinese(&text), is_chinese, "{lab:?}: {text}");
                }
            }
        }
    }

    #[test]
    fn lines_are_joined_as_the_language_does() {
        let joined = |lang: Lang, text| lang.paragraphs(text).collect::<Vec<_>>();
        assert_eq!(joined(Lang::En, "\na\nb\n\nc"), ["a b", "c"]);
        assert_eq!(joined(Lang::Zh, "内\n核用\nDMA\n送。\nread"), ["内核用 DMA 送。read"]);
    }

    #[test]
    fn the_language_is_the_users() {
        assert_eq!(
            ["zh_CN.UTF-8", "de_DE", ""].map(Lang::of_locale),
            [Lang::Zh, Lang::En, Lang::En]
        );
    }
}
