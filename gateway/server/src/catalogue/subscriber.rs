//! Phone subscribers: their numbers in one form, each belonging to one of them, and their plan.

use std::collections::HashMap;

use audiospread_protocol::{DeleteReason, PhoneNumber, Plan, Subscriber};

use super::draft::{Draft, Drafting, Wait};
use super::site::{Nid, Site, SubscriberNode};
use super::{Catalogue, Rules, Severity, Subject, codes};

/// The published subscribers that have one number.
#[derive(Default)]
pub(super) struct Holders {
    /// Ascending.
    nids: Vec<Nid>,
    /// Whether one of them is premium, and one standard.
    plans: [bool; 2],
}

impl Holders {
    fn plans_differ(&self) -> bool {
        self.plans == [true, true]
    }

    /// Those who have the number as well, the first of them only: a number like 000000 may be that of everybody.
    fn first_others(&self, nid: Nid) -> impl Iterator<Item = Nid> {
        const SHOWN: usize = 3;
        self.nids.iter().copied().filter(move |&other| other != nid).take(SHOWN)
    }
}

/// The published subscribers that have each number.
pub(super) fn holders_by_number(site: &Site, rules: &Rules) -> HashMap<PhoneNumber, Holders> {
    let mut holders: HashMap<PhoneNumber, Holders> = HashMap::new();
    for (&nid, subscriber) in site.subscribers.iter().filter(|(_, subscriber)| subscriber.node.published) {
        for typed in &subscriber.numbers {
            if let Some(number) = rules.numbers.e164(typed) {
                let held = holders.entry(number).or_default();
                held.plans[usize::from(plan(subscriber).0 == Plan::Standard)] = true;
                if held.nids.last() != Some(&nid) {
                    held.nids.push(nid);
                }
            }
        }
    }
    holders
}

fn warn(drafting: &mut Drafting, nid: Nid, code: &'static str, message: String) {
    drafting.finding(code, Severity::Warning, Subject::Node(nid), message);
}

/// The plan, and whether the field says something that is no plan.
fn plan(subscriber: &SubscriberNode) -> (Plan, bool) {
    match subscriber.plan.as_deref().map(|plan| plan.trim().to_lowercase()).as_deref() {
        Some("premium") => (Plan::Premium, true),
        None | Some("" | "standard") => (Plan::Standard, true),
        Some(_) => (Plan::Standard, false),
    }
}

impl Catalogue<'_> {
    /// A number that several published subscribers have belongs to the one with the lowest `nid`; if the plans of those who have it differ,
    /// its owner is standard altogether: nobody is to be called back at the site's cost by mistake.
    pub(super) fn subscriber(&self, nid: Nid) -> Draft {
        let mut drafting = Drafting::default();
        let Some(subscriber) = self.site.subscribers.get(&nid) else { return drafting.absent(DeleteReason::Deleted) };
        drafting.node(nid, &subscriber.node);
        if !subscriber.node.complete {
            return drafting.keep(Wait::Save);
        }
        if !subscriber.node.published {
            let message =
                "The subscriber is not published, and so unknown to the phone: publish it if that is not wanted."
                    .into();
            drafting.finding(codes::UNPUBLISHED, Severity::Info, Subject::Node(nid), message);
            return drafting.absent(DeleteReason::Unpublished);
        }
        if self.indices.saving.subscribers {
            return drafting.keep(Wait::Save);
        }
        let (mut plan, known_plan) = plan(subscriber);
        if !known_plan {
            let message =
                "The plan is neither premium nor standard, and counts as standard: choose one of them.".into();
            drafting.finding(codes::UNKNOWN_PLAN, Severity::Warning, Subject::Node(nid), message);
        }
        let numbers = self.numbers(&mut drafting, nid, subscriber, &mut plan);
        if numbers.is_empty() {
            let message =
                "The subscriber has no telephone number of its own, and so is unknown to the phone: add one.".into();
            drafting.finding(codes::NO_NUMBER, Severity::Error, Subject::Node(nid), message);
            return drafting.absent(DeleteReason::NoNumber);
        }
        let language = self.language_of(&subscriber.node);
        if !self.indices.settings.has_language(language) {
            let message =
                format!("There are no menus in the language {language} of the subscriber: choose another one.");
            drafting.finding(codes::LANGUAGE_NOT_ENABLED, Severity::Warning, Subject::Node(nid), message);
        }
        drafting.put(&Subscriber {
            numbers,
            plan,
            language: language.to_owned(),
            balance_seconds: subscriber.balance_seconds,
        })
    }

    /// The numbers that belong to the subscriber, in their order, each once. Findings count them, and do not repeat them: a number is a
    /// person's.
    fn numbers(
        &self,
        drafting: &mut Drafting,
        nid: Nid,
        subscriber: &SubscriberNode,
        plan: &mut Plan,
    ) -> Vec<PhoneNumber> {
        let mut numbers: Vec<PhoneNumber> = Vec::with_capacity(subscriber.numbers.len());
        let mut differs = false;
        for (typed, ordinal) in subscriber.numbers.iter().zip(1..) {
            let Some(number) = self.rules.numbers.e164(typed) else {
                warn(
                    drafting,
                    nid,
                    codes::NUMBER_UNREADABLE,
                    format!("Number {ordinal} has not the form of a telephone number: correct it."),
                );
                continue;
            };
            if self.rules.numbers.is_doubtful(typed) {
                let message = format!(
                    "Number {ordinal} begins with the country code and was read as a national number: write + in front if it is not."
                );
                warn(drafting, nid, codes::NUMBER_DOUBTFUL, message);
            }
            let Some(holders) = self.indices.holders.get(&number) else { continue };
            let others: Vec<Nid> = holders.first_others(nid).collect();
            for (other, subscriber) in others.iter().filter_map(|other| self.site.subscribers.get_key_value(other)) {
                drafting.node(*other, &subscriber.node);
            }
            let is_mine = others.first().is_none_or(|&other| nid < other);
            if !others.is_empty() {
                let names: Vec<String> = others.iter().map(Nid::to_string).collect();
                let more = if holders.nids.len() > names.len() + 1 { " and others" } else { "" };
                let whose = if is_mine { "this one" } else { "the one with the lowest number of a node" };
                let message = format!(
                    "Number {ordinal} is also that of the subscribers of the nodes {}{more}, and counts for {whose}: leave it with one of them.",
                    names.join(", ")
                );
                warn(drafting, nid, codes::NUMBER_SHARED, message);
            }
            if is_mine {
                differs |= holders.plans_differ();
                if !numbers.contains(&number) {
                    numbers.push(number);
                }
            }
        }
        if differs {
            *plan = Plan::Standard;
        }
        numbers
    }

    /// The published subscribers that have a number in common with this one.
    pub(super) fn sharers(&self, subscriber: &SubscriberNode) -> impl Iterator<Item = Nid> {
        let numbers = subscriber.numbers.iter().filter_map(|typed| self.rules.numbers.e164(typed));
        numbers.filter_map(|number| self.indices.holders.get(&number)).flat_map(|holders| holders.nids.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use audiospread_protocol::Kind;
    use serde_json::json;

    use super::super::sample::Sample;
    use super::super::{Outcome, codes};
    use super::*;

    fn draft(sample: &Sample, nid: Nid) -> Draft {
        sample.draft(Kind::Subscriber, &nid.to_string())
    }

    #[test]
    fn a_subscriber_has_numbers_plan_language_and_balance_and_nothing_else() {
        let mut sample = Sample::new();
        let subscriber = sample.subscriber(318, " Premium ", &["0775550124", "+221 77 555 01 24", "+33 6 12 34 56 03"]);
        (subscriber.balance_seconds, subscriber.node.language_field) = (Some(-120), Some("fr".into()));
        let value = draft(&sample, 318).value();
        let expected = json!({"numbers": ["+221775550124", "+33612345603"], "plan": "premium", "language": "fr", "balance_seconds": -120});
        assert_eq!(value, expected);
        assert_eq!(draft(&sample, 318).codes(), Vec::<&str>::new());
        sample.subscriber(318, "", &["0775550124"]);
        assert_eq!(draft(&sample, 318).value()["balance_seconds"], json!(null));
    }

    #[test]
    fn a_shared_number_belongs_to_the_lowest_nid_who_is_standard_if_the_plans_differ() {
        let mut sample = Sample::new();
        sample.subscriber(306, "premium", &["+221775550112", "+221775550113"]);
        sample.subscriber(307, "standard", &["0775550113", "0775550199"]);
        let owner = draft(&sample, 306);
        assert_eq!(owner.value()["numbers"], json!(["+221775550112", "+221775550113"]));
        assert_eq!((owner.value()["plan"].clone(), owner.codes()), (json!("standard"), vec![codes::NUMBER_SHARED]));
        let other = draft(&sample, 307);
        assert_eq!(
            (other.value()["numbers"].clone(), other.codes()),
            (json!(["+221775550199"]), vec![codes::NUMBER_SHARED])
        );

        sample.subscriber(307, "premium", &["0775550113"]);
        assert_eq!(draft(&sample, 306).value()["plan"], "premium");
        assert_eq!(draft(&sample, 307).outcome, Outcome::Absent(DeleteReason::NoNumber));

        sample.subscriber(306, "premium", &["+221775550113"]).node.published = false;
        assert_eq!(draft(&sample, 307).value()["numbers"], json!(["+221775550113"]));
        assert_eq!(draft(&sample, 306).outcome, Outcome::Absent(DeleteReason::Unpublished));
    }

    #[test]
    fn a_number_that_everybody_has_is_told_briefly() {
        let mut sample = Sample::new();
        for nid in 1..=500 {
            sample.subscriber(nid, if nid == 500 { "standard" } else { "premium" }, &["0123 456"]);
        }
        assert_eq!(draft(&sample, 1).value()["plan"], "standard");
        let last = draft(&sample, 500);
        assert_eq!(last.outcome, Outcome::Absent(DeleteReason::NoNumber));
        assert!(last.findings.iter().all(|finding| finding.message.len() < 200), "{last:?}");
    }

    #[test]
    fn what_is_no_number_or_plan_is_told_without_repeating_numbers() {
        let mut sample = Sample::new();
        sample.subscriber(300, "gold", &["SIP/ibrahim", "221775550109", "0775550109"]);
        let draft = draft(&sample, 300);
        assert_eq!(draft.codes(), [codes::NUMBER_DOUBTFUL, codes::NUMBER_UNREADABLE, codes::UNKNOWN_PLAN]);
        assert!(
            draft
                .findings
                .iter()
                .all(|finding| !finding.message.contains("ibrahim") && !finding.message.contains("5550109"))
        );
        assert_eq!(draft.value()["plan"], "standard");
    }

    #[test]
    fn without_a_number_a_subscriber_is_absent() {
        let mut sample = Sample::new();
        sample.subscriber(320, "standard", &[]);
        sample.subscriber(321, "standard", &["SIP/ibrahim"]);
        for nid in [320, 321] {
            assert_eq!(draft(&sample, nid).outcome, Outcome::Absent(DeleteReason::NoNumber));
            assert!(draft(&sample, nid).codes().contains(&codes::NO_NUMBER));
        }
    }

    #[test]
    fn while_one_is_being_saved_nobodys_numbers_move() {
        let mut sample = Sample::new();
        sample.subscriber(294, "premium", &["0775550100"]);
        sample.subscriber(299, "standard", &[]).node.complete = false;
        assert_eq!(draft(&sample, 294).outcome, Outcome::Keep(Wait::Save));
    }

    #[test]
    fn a_language_without_menus_is_told() {
        let mut sample = Sample::new();
        sample.subscriber(300, "", &["0775550109"]).node.language = Some("wo".into());
        assert_eq!(draft(&sample, 300).codes(), [codes::LANGUAGE_NOT_ENABLED]);
    }
}
