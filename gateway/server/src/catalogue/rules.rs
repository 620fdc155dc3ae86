//! The part of the configuration that the rules go by.

use std::collections::BTreeMap;

use crate::config::{Config, Content, Menu, Numbers};
use audiospread_protocol::NumberForms;

/// What the rules go by, out of `gateway.toml`.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The top term of the prompts, by name or by `tid`.
    pub(super) minimals: String,
    /// The context of each term below *minimals*, by the term's name or `tid`.
    pub(super) contexts: BTreeMap<String, String>,
    /// How many levels of categories callers are offered, *minimals* not counted.
    pub(super) max_depth: u32,
    /// How telephone numbers are written.
    pub(super) numbers: NumberForms,
    /// The menus, where the site's settings say nothing.
    pub(super) menu: Menu,
}

impl Rules {
    /// The rules of a configuration.
    pub fn new(config: &Config) -> Self {
        Self::of(&config.content, &config.numbers, &config.menu)
    }

    /// The rules of those sections of a configuration that have any.
    pub fn of(content: &Content, numbers: &Numbers, menu: &Menu) -> Self {
        Self {
            minimals: content.minimals.clone(),
            contexts: content.contexts.clone(),
            max_depth: content.max_depth,
            numbers: NumberForms::new(&numbers.country_code, &numbers.international_prefix, &numbers.national_prefix),
            menu: menu.clone(),
        }
    }
}
