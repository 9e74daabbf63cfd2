//! The invented county the samples come from: its institutions, its devices, its people. Nobody in it exists.

use super::rng::Rng;

/// An institution; `code` begins the AE titles of its devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub name: &'static str,
    pub code: &'static str,
    pub address: &'static str,
}

const fn place(name: &'static str, code: &'static str, address: &'static str) -> Place {
    Place { name, code, address }
}

pub const COUNTY_HOSPITAL: Place = place("示例县人民医院", "XRM", "示例县城关镇健康路1号");

/// The 13 township health centers and 2 community centers.
pub const PLACES: [Place; 15] = [
    place("青禾镇中心卫生院", "QH", "示例县青禾镇"),
    place("柳湾镇卫生院", "LW", "示例县柳湾镇"),
    place("石桥镇卫生院", "SQ", "示例县石桥镇"),
    place("岭北镇卫生院", "LB", "示例县岭北镇"),
    place("白塘镇卫生院", "BT", "示例县白塘镇"),
    place("南屏镇卫生院", "NP", "示例县南屏镇"),
    place("双井镇卫生院", "SJ", "示例县双井镇"),
    place("云台乡卫生院", "YT", "示例县云台乡"),
    place("松口镇卫生院", "SK", "示例县松口镇"),
    place("东渡镇卫生院", "DD", "示例县东渡镇"),
    place("梅岭乡卫生院", "ML", "示例县梅岭乡"),
    place("竹溪镇卫生院", "ZX", "示例县竹溪镇"),
    place("枫林乡卫生院", "FL", "示例县枫林乡"),
    place("河西社区卫生服务中心", "HX", "示例县河西街道"),
    place("长堤社区卫生服务中心", "CD", "示例县长堤街道"),
];

/// What a device is and says of itself.
#[derive(Debug, Clone)]
pub struct Device {
    pub place: Place,
    pub modality: &'static str,
    pub ae_title: String,
    pub manufacturer: &'static str,
    pub model: &'static str,
    pub serial: String,
    pub software: &'static str,
}

/// The one device of its kind at a place.
pub fn device(place: Place, modality: &'static str) -> Device {
    let (kind, manufacturer, model, software) = match modality {
        "CT" => ("CT", "Yunying Synthetic CT", "SynCT 16", "V2.1"),
        "DX" => ("DR", "Yunying Synthetic DR", "SynDR 4343", "3.0.2"),
        _ => ("US", "Yunying Synthetic US", "SynSono C5", "1.8"),
    };
    let ae_title = format!("{}_{kind}01", place.code);
    let serial = format!("SYN-{}-{kind}-001", place.code);
    Device { place, modality, ae_title, manufacturer, model, serial, software }
}

/// An invented patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub family: &'static str,
    pub given: &'static str,
    pub family_pinyin: &'static str,
    pub given_pinyin: &'static str,
    pub female: bool,
    pub age: u32,
    /// Month and day.
    pub birthday: (i8, i8),
    /// Number in the county's register.
    pub number: usize,
    pub id: String,
}

const FAMILIES: [(&str, &str); 24] = [
    ("张", "Zhang"),
    ("王", "Wang"),
    ("李", "Li"),
    ("赵", "Zhao"),
    ("钱", "Qian"),
    ("孙", "Sun"),
    ("周", "Zhou"),
    ("吴", "Wu"),
    ("郑", "Zheng"),
    ("冯", "Feng"),
    ("陈", "Chen"),
    ("沈", "Shen"),
    ("韩", "Han"),
    ("杨", "Yang"),
    ("许", "Xu"),
    ("何", "He"),
    ("吕", "Lyu"),
    ("罗", "Luo"),
    ("欧阳", "Ouyang"),
    ("诸葛", "Zhuge"),
    ("单", "Shan"),
    ("仇", "Qiu"),
    ("覃", "Qin"),
    ("邓", "Deng"),
];

/// The last ones hold characters outside GB2312, the very last outside GBK: names like these exist and must survive.
const GIVENS: [(&str, &str); 8] = [
    ("测试", "Ceshi"),
    ("示例", "Shili"),
    ("样例", "Yangli"),
    ("演示", "Yanshi"),
    ("试用", "Shiyong"),
    ("样本", "Yangben"),
    ("试喆", "Shizhe"),
    ("例㛃", "Lijie"),
];

/// The `index`th patient: names do not repeat for the first 192.
pub fn person(index: usize, rng: &mut Rng) -> Person {
    let (family, family_pinyin) = FAMILIES[index % FAMILIES.len()];
    // Rare characters only now and then.
    let given = if index % 9 == 8 { 6 + index / 9 % 2 } else { (index + index / FAMILIES.len()) % 6 };
    let (given, given_pinyin) = GIVENS[given];
    let age = 24 + rng.below(58) as u32;
    let female = rng.unit() < 0.5;
    let birthday = (1 + rng.below(12) as i8, 1 + rng.below(28) as i8);
    Person {
        family,
        given,
        family_pinyin,
        given_pinyin,
        female,
        age,
        birthday,
        number: 20_900 + index,
        id: format!("SAMPLE-{}", 20_900 + index),
    }
}

impl Person {
    /// Alphabetic and ideographic component groups (PS3.5 6.2.1).
    pub fn dicom_name(&self) -> String {
        format!("{}^{}={}^{}", self.family_pinyin, self.given_pinyin, self.family, self.given)
    }

    pub fn chinese_name(&self) -> String {
        format!("{}{}", self.family, self.given)
    }
}
