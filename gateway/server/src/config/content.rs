//! The parts `[content]`, `[numbers]` and `[menu]` of the configuration: what the site's content means for the phone.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What the site's content means for the phone.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Content {
    /// The content types of programs.
    pub program_types: Vec<String>,
    /// The content type with a category's sounds.
    pub category_info_type: String,
    /// The content type of prompts.
    pub prompt_type: String,
    /// The content type of phone subscribers.
    pub subscriber_type: String,
    /// The phone's vocabulary, by name or by `vid`.
    pub vocabulary: String,
    /// The top term of the prompts, by name or by `tid`.
    pub minimals: String,
    /// The menu of each term below *minimals*: its name or `tid`, and the context.
    pub contexts: BTreeMap<String, String>,
    /// How many levels of categories callers are offered.
    pub max_depth: u32,
    /// The CCK fields.
    pub fields: Fields,
}

/// Which CCK field means what.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fields {
    /// The spoken title of programs and categories.
    pub title: String,
    /// The body of a program.
    pub body: String,
    /// A category's header.
    pub header: String,
    /// A category's footer.
    pub footer: String,
    /// A prompt's sound.
    pub prompt: String,
    /// A prompt's key.
    pub prompt_key: String,
    /// The language of a node.
    pub language: String,
    /// The weight of a program.
    pub weight: String,
    /// A subscriber's numbers.
    pub phone_number: String,
    /// A subscriber's plan.
    pub plan: String,
    /// A subscriber's balance in seconds.
    pub balance: String,
}

/// How telephone numbers are written in the site's country.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Numbers {
    /// The country code, such as `221`.
    pub country_code: String,
    /// What is dialled before a country code.
    #[serde(default = "default_international_prefix")]
    pub international_prefix: String,
    /// What is dialled before a national number; may be empty.
    #[serde(default = "default_national_prefix")]
    pub national_prefix: String,
}

/// The menus.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Menu {
    /// The `tid`s of the categories of the home menu; empty: those of the top level.
    pub home_categories: Vec<u32>,
    /// How many items a menu reads out before it offers the next page.
    pub menu_page_size: u32,
    /// Keys in menus that differ from the defaults, by action.
    pub keys: KeyOverrides,
}

/// Keys that differ from the defaults.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeyOverrides {
    /// In menus.
    pub menu: BTreeMap<String, String>,
    /// While a program plays.
    pub playing: BTreeMap<String, String>,
}

impl Default for Menu {
    fn default() -> Self {
        Self { home_categories: Vec::new(), menu_page_size: 7, keys: KeyOverrides::default() }
    }
}

impl Default for Content {
    fn default() -> Self {
        let contexts = ["home", "recording", "categories", "programs", "playing", "support"];
        Self {
            program_types: ["program", "legacy_program", "phone_message"].map(String::from).to_vec(),
            category_info_type: "category_info".into(),
            prompt_type: "prompt".into(),
            subscriber_type: "phone_subscriber".into(),
            vocabulary: "Categories".into(),
            minimals: "minimals".into(),
            contexts: contexts.map(|name| (name.to_owned(), name.to_owned())).into(),
            max_depth: 2,
            fields: Fields::default(),
        }
    }
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            title: "field_audio_title".into(),
            body: "field_audio_body".into(),
            header: "field_audio_header".into(),
            footer: "field_audio_footer".into(),
            prompt: "field_audio_prompt".into(),
            prompt_key: "field_prompt_key".into(),
            language: "field_language".into(),
            weight: "field_weight".into(),
            phone_number: "field_phone_number".into(),
            plan: "field_plan".into(),
            balance: "field_balance_seconds".into(),
        }
    }
}

fn default_international_prefix() -> String {
    "00".into()
}

fn default_national_prefix() -> String {
    "0".into()
}
