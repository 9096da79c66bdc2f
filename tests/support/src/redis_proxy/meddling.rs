//! What is done to published messages: rules, asked once per message, in the order they were given.

use std::time::Duration;

/// What happens to a published message on its way to a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meddling {
    Drop,
    /// It comes twice.
    Repeat,
    /// It comes so much later; what follows is not kept back.
    Delay(Duration),
    /// It comes after the message that follows it on its channel.
    Swap,
}

/// Which published messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// One: the n-th from now on, counted from 1.
    Nth(u64),
    /// One: the next that contains these bytes.
    Containing(Vec<u8>),
    /// The n-th from now on, and every n-th after it.
    Every(u64),
}

#[derive(Debug, Default)]
pub(super) struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    which: Which,
    meddling: Meddling,
    /// Messages that this rule was asked about.
    asked: u64,
}

impl Rules {
    pub(super) fn add(&mut self, which: Which, meddling: Meddling) {
        self.0.push(Rule {
            which,
            meddling,
            asked: 0,
        });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The first rule that means this message; all of them count it.
    pub(super) fn judge(&mut self, message: &[u8]) -> Option<Meddling> {
        let mut found = None;
        self.0.retain_mut(|rule| {
            rule.asked += 1;
            let (means_it, is_done) = rule.means(message);
            if means_it && found.is_none() {
                found = Some(rule.meddling);
            }
            !is_done
        });
        found
    }
}

impl Rule {
    /// Whether it means this message, and whether it is done for good.
    fn means(&self, message: &[u8]) -> (bool, bool) {
        match &self.which {
            Which::Nth(n) => (self.asked == *n, self.asked >= *n),
            Which::Containing(mark) => {
                let contains = message
                    .windows(mark.len().max(1))
                    .any(|window| window == mark);
                (contains, contains)
            }
            Which::Every(n) => (self.asked.checked_rem(*n) == Some(0), false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_means_what_it_says() {
        let mut rules = Rules::default();
        rules.add(Which::Nth(2), Meddling::Drop);
        rules.add(Which::Every(3), Meddling::Repeat);
        rules.add(Which::Containing(b"last".to_vec()), Meddling::Swap);
        let verdicts: Vec<_> = ["a", "b", "c", "d", "the last", "f", "the last"]
            .iter()
            .map(|message| rules.judge(message.as_bytes()))
            .collect();
        let (drop, repeat, swap) = (Meddling::Drop, Meddling::Repeat, Meddling::Swap);
        let expected = [
            None,
            Some(drop),
            Some(repeat),
            None,
            Some(swap),
            Some(repeat),
            None,
        ];
        assert_eq!(verdicts, expected);
        rules.clear();
        assert_eq!(rules.judge(b"the last"), None);
    }
}
