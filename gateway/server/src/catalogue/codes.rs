//! The table of all codes of findings: stable names that programs may rely on, and what each means.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal: $meaning:literal;)*) => {
        $(#[doc = $meaning] pub const $name: &str = $code;)*

        /// Every code of the rules, with its meaning.
        pub const ALL: &[(&str, &str)] = &[$(($code, $meaning)),*];
    };
}

codes! {
    // Programs.
    UNPUBLISHED = "unpublished": "Info: a program or subscriber is not published in Drupal, and so not on the phone.";
    NO_CATEGORY = "no_category": "Error: a published program is in no category that callers can reach.";
    NO_BODY = "no_body": "Error: a published program has no recording.";
    NO_TITLE = "no_title": "Warning: a program has no spoken title and is announced by its number.";
    NUMBER_IN_TITLE = "number_in_title": "Warning: a title contains a telephone number, which phone servers get masked.";
    // Audio of any node; an error for a body, else a warning.
    DANGLING_FILE = "dangling_file": "A recording points at a file that was deleted.";
    UNPUBLISHED_FILE = "unpublished_file": "A recording's file node is not published.";
    UNKNOWN_URI = "unknown_uri": "A recording's file is kept in a way that is not known.";
    MISSING_BLOB = "missing_blob": "The bytes of a recording are lost.";
    NOT_AUDIO = "not_audio": "The bytes of a recording are no audio that can be played.";
    AUDIO_PENDING = "audio_pending": "Info: a recording was not looked at yet; what is on the phone stays until then.";
    TEMPORARY_FILE = "temporary_file": "Warning: Drupal counts a recording's file as temporary and will delete it.";
    // Any entity.
    TOO_LARGE = "too_large": "Error: an entity's texts are too long for the phones, which keep what they have of it.";
    // Sounds of categories.
    DUPLICATE_SOUND = "duplicate_sound": "Warning: a category has several nodes with its sounds in one language; the lowest nid counts.";
    SOUND_WITHOUT_CATEGORY = "sound_without_category": "Warning: a node with sounds is tagged with no category.";
    NO_TITLE_SOUND = "no_title_sound": "Warning: a category has no spoken name in a language of the menus.";
    LANGUAGE_NOT_ENABLED = "language_not_enabled": "Warning: a sound, prompt or subscriber has a language in which there are no menus.";
    // Prompts.
    DUPLICATE_PROMPT = "duplicate_prompt": "Warning: a prompt was recorded several times in one language; the lowest nid counts.";
    UNKNOWN_PROMPT_KEY = "unknown_prompt_key": "Warning: the menus know no prompt of this name.";
    BAD_PROMPT_KEY = "bad_prompt_key": "Warning: a prompt has no key, or one that is no name.";
    PROMPT_WITHOUT_CONTEXT = "prompt_without_context": "Warning: a prompt is tagged with no menu.";
    PROMPT_UNHEARD = "prompt_unheard": "Error: a prompt that the menus need has neither a recording nor a pack's sound.";
    // Subscribers.
    NO_NUMBER = "no_number": "Error: a published subscriber is left without a telephone number.";
    NUMBER_UNREADABLE = "number_unreadable": "Warning: what stands there as a telephone number has not the form of one.";
    NUMBER_DOUBTFUL = "number_doubtful": "Warning: a number without + begins with the country code, and was read as a national one.";
    NUMBER_SHARED = "number_shared": "Warning: several subscribers have one number; it belongs to the lowest nid.";
    UNKNOWN_PLAN = "unknown_plan": "Warning: a subscriber's plan is neither premium nor standard, and counts as standard.";
    // The tree of terms.
    NO_MINIMALS = "no_minimals": "Error: there is no term with the prompts, or the configuration names it differently.";
    UNKNOWN_CONTEXT = "unknown_context": "Warning: a term below the prompts' term is no menu that is known.";
    CYCLE = "cycle": "Error: a term is, by way of others, below itself.";
    ORPHAN = "orphan": "Error: a term is below a term that does not exist.";
    TOO_DEEP = "too_deep": "Warning: a category lies deeper than the configured number of levels.";
    PROGRAMS_BESIDE_CATEGORIES = "programs_beside_categories": "Warning: a category has both sub-categories and programs of its own.";
    EMPTY_CATEGORY = "empty_category": "Warning: neither a category nor any below it has a program.";
    // Settings.
    BAD_SETTING = "bad_setting": "Warning: a value of the phone's settings makes no sense, and is ignored.";
    KEY_CONFLICT = "key_conflict": "Warning: two actions want the same key.";
    UNKNOWN_HOME_CATEGORY = "unknown_home_category": "Warning: the home menu names a category that does not exist.";
    // Reading Drupal.
    TABLE_MISSING = "table_missing": "Warning: a table that should be there is not, or may not be read; it counts as empty.";
    FIELD_MISSING = "field_missing": "Warning: no field of the site has a configured name.";
    FIELD_UNSUPPORTED = "field_unsupported": "Warning: a configured field is of a type that cannot mean what it should.";
    FIELD_UNREADABLE = "field_unreadable": "Warning: CCK's entry of a field cannot be read; its values count as empty.";
    VARIABLE_UNREADABLE = "variable_unreadable": "Warning: a variable of Drupal's cannot be read; its default counts.";
    VOCABULARY_AMBIGUOUS = "vocabulary_ambiguous": "Warning: several vocabularies have the configured name.";
    BAD_ENCODING = "bad_encoding": "Warning: a text holds bytes that are no UTF-8.";
    STRANGE_VALUE = "strange_value": "Warning: a value is not of the type that its column should have.";
    // Files and packs.
    CORRUPT_BLOB = "corrupt_blob": "Error: a blob's bytes are not those that its name says.";
    UNREADABLE_FILE = "unreadable_file": "Error: a file of Drupal's may not be read by the gateway.";
    PACK_SOUND_UNUSABLE = "pack_sound_unusable": "Warning: a sound of a language pack is no audio, or cannot be read.";
    // Recordings.
    RECORDING_STORAGE = "recording_storage": "Warning: recordings stay with the gateway until Drupal fetches them, since they cannot be put into Drupal's storage.";
    // Phone servers.
    UNDECODABLE_SOUND = "undecodable_sound": "A phone server cannot decode a sound; an error where callers there so lack the whole.";
    CALL_CONFLICT = "call_conflict": "Warning: a phone server sent two different call records under one number; the first one counts.";
    // Refreshes.
    HELD = "held": "Error: a reading that would remove much from the phones waits for somebody to look at it.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ALL;

    #[test]
    fn every_code_is_unique_and_in_snake_case() {
        let codes: BTreeSet<_> = ALL.iter().map(|(code, _)| code).collect();
        assert_eq!(codes.len(), ALL.len());
        assert!(codes.iter().all(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }
}
