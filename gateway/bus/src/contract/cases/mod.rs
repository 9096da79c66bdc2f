//! The rules, by what they are about.

mod order;

pub use order::*;

/// Every rule, by the name of its function and of its test.
#[doc(hidden)]
#[macro_export]
macro_rules! for_each_contract_case {
    ($start:expr) => {
        $crate::contract_tests_of! { $start;
            seqs_are_contiguous_and_the_hashes_chain
        }
    };
}
