//! What a form must say before it is sent. The server judges again, and more.

use wire::{OrderForm, Sex};

use crate::i18n::{Text, say};

/// Fields that can be wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    Name,
    NationalId,
    BirthDate,
    Device,
    Exam,
    Accession,
}

/// The first thing that is wrong with it, in the order of the form. `today`: `YYYY-MM-DD`.
pub fn fault(form: &OrderForm, today: &str) -> Option<(Field, Text)> {
    let empty = |text: &str| text.trim().is_empty();
    if empty(&form.name) {
        return Some((Field::Name, say::O_NEED_NAME));
    }
    if form.name.contains(['\\', '^', '=']) {
        return Some((Field::Name, say::O_BAD_NAME));
    }
    match (empty(&form.national_id), said_by(&form.national_id)) {
        (true, _) => {}
        (false, None) => return Some((Field::NationalId, say::O_BAD_NUMBER)),
        (false, Some((birth_date, sex))) => {
            let other_sex = matches!(form.sex, Sex::Male | Sex::Female) && form.sex != sex;
            if other_sex || !form.birth_date.is_empty() && form.birth_date != birth_date {
                return Some((Field::NationalId, say::O_NUMBER_DISAGREES));
            }
        }
    }
    if form.birth_date.as_str() > today {
        return Some((Field::BirthDate, say::O_BAD_BIRTH));
    }
    if form.device.is_none() && empty(&form.modality) {
        return Some((Field::Device, say::O_NEED_DEVICE));
    }
    if empty(&form.exam) {
        return Some((Field::Exam, say::O_NEED_EXAM));
    }
    let odd = |c: char| !c.is_ascii_graphic() || c == '\\';
    if form.accession.trim().len() > 16 || form.accession.trim().contains(odd) {
        return Some((Field::Accession, say::O_BAD_ACCESSION));
    }
    None
}

/// Birth date (`YYYY-MM-DD`) and sex that stand in a citizen identification number (GB 11643), if it is one.
pub fn said_by(number: &str) -> Option<(String, Sex)> {
    let number = number.trim().to_ascii_uppercase();
    if number.len() != 18 || !number.is_ascii() {
        return None;
    }
    // ISO 7064, MOD 11-2: every character by its power of two.
    let mut sum = 0;
    for (place, c) in number.chars().enumerate() {
        let value = match c {
            'X' if place == 17 => 10,
            c => c.to_digit(10)?,
        };
        sum += value * (1_u32 << (17 - place)) % 11;
    }
    let (month, day) = (number[10..12].parse::<u32>().ok()?, number[12..14].parse::<u32>().ok()?);
    if sum % 11 != 1 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let sex = if number.as_bytes()[16] % 2 == 1 { Sex::Male } else { Sex::Female };
    Some((format!("{}-{}-{}", &number[6..10], &number[10..12], &number[12..14]), sex))
}

/// What is often asked for of a modality, to be chosen instead of typed.
pub fn usual_exams(modality: &str) -> &'static [&'static str] {
    match wire::lane(modality) {
        "US" => &["腹部超声", "甲状腺超声", "乳腺超声", "泌尿系超声", "妇科超声", "产科超声", "心脏超声", "颈动脉超声"],
        "CT" => &["胸部 CT 平扫", "头颅 CT 平扫", "腹部 CT 平扫", "腰椎 CT 平扫", "颈椎 CT 平扫", "鼻窦 CT 平扫"],
        "DR" => {
            &["胸部正位", "胸部正侧位", "腰椎正侧位", "颈椎正侧位", "膝关节正侧位", "腹部立位", "骨盆正位", "手正斜位"]
        }
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> OrderForm {
        OrderForm {
            name: "张三".into(),
            latin: String::new(),
            pid: String::new(),
            issuer: String::new(),
            sex: Sex::Unknown,
            birth_date: String::new(),
            national_id: String::new(),
            accession: String::new(),
            exam: "腹部超声".into(),
            body_part: String::new(),
            modality: "US".into(),
            device: None,
            day: String::new(),
            time: String::new(),
            question: String::new(),
            urgency: wire::Urgency::Routine,
            requester: String::new(),
            performer: String::new(),
        }
    }

    #[test]
    fn a_number_says_birth_date_and_sex_and_one_that_is_none_says_nothing() {
        assert_eq!(said_by("11010519491231002x"), Some(("1949-12-31".into(), Sex::Female)));
        assert_eq!(said_by("440524188001010014"), Some(("1880-01-01".into(), Sex::Male)));
        for bad in ["", "110105194912310021", "11010519491231002", "1101051949123100２X", "X10105194912310021"] {
            assert_eq!(said_by(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_first_thing_that_is_wrong_is_said_at_its_field() {
        let fault = |change: fn(&mut OrderForm)| {
            let mut form = form();
            change(&mut form);
            fault(&form, "2026-11-25").map(|(field, _)| field)
        };
        assert_eq!(fault(|_| ()), None);
        assert_eq!(fault(|form| form.name = " ".into()), Some(Field::Name));
        assert_eq!(fault(|form| form.national_id = "123".into()), Some(Field::NationalId));
        let lady = |form: &mut OrderForm| form.national_id = "11010519491231002X".into();
        assert_eq!(fault(lady), None);
        assert_eq!(
            fault(|form| (form.national_id, form.sex) = ("11010519491231002X".into(), Sex::Male)),
            Some(Field::NationalId)
        );
        assert_eq!(fault(|form| form.birth_date = "2026-11-26".into()), Some(Field::BirthDate));
        assert_eq!(fault(|form| form.modality.clear()), Some(Field::Device));
        assert_eq!(fault(|form| form.exam.clear()), Some(Field::Exam));
        assert_eq!(fault(|form| form.accession = "检-1".into()), Some(Field::Accession));
    }
}
