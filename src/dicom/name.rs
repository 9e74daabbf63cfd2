//! Person names (PS3.5 6.2.1.2): three component groups of five components.

/// A PN value, its groups as written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PersonName {
    pub alphabetic: String,
    pub ideographic: String,
    pub phonetic: String,
}

impl PersonName {
    pub fn parse(text: &str) -> Self {
        let mut groups = text.splitn(3, '=').map(|g| g.trim_matches([' ', '\0']).trim_end_matches('^').to_owned());
        Self {
            alphabetic: groups.next().unwrap_or_default(),
            ideographic: groups.next().unwrap_or_default(),
            phonetic: groups.next().unwrap_or_default(),
        }
    }

    /// As people write it: 王小东 where there are ideographs, else "Wang XiaoDong".
    pub fn display(&self) -> String {
        let group = [&self.ideographic, &self.alphabetic, &self.phonetic].into_iter().find(|g| !g.is_empty());
        let Some(group) = group else { return String::new() };
        let between = if group.chars().any(is_ideographic) { "" } else { " " };
        let parts: Vec<&str> = group.split('^').map(str::trim).filter(|part| !part.is_empty()).collect();
        parts.join(between)
    }
}

/// Han, kana and hangul: written without a space between family and given name.
fn is_ideographic(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7AF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ideographs_are_shown_first_and_without_carets() {
        assert_eq!(PersonName::parse("Wang^XiaoDong=王^小东=").display(), "王小东");
        assert_eq!(PersonName::parse("王^小东").display(), "王小东");
        assert_eq!(PersonName::parse("Wang^XiaoDong^^Dr").display(), "Wang XiaoDong Dr");
        assert_eq!(PersonName::parse("=山田^太郎").display(), "山田太郎");
        assert_eq!(PersonName::parse(" ^^^^ ").display(), "");
    }
}
