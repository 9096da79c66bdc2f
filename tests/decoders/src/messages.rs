//! Many messages in one input: each with its length, two bytes, in front. A last one may be cut short.

/// The messages in `input`.
pub fn messages(mut input: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = input.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (message, rest) = rest.split_at(length);
        messages.push(message);
        input = rest;
    }
    messages
}

/// The input that holds these messages.
pub fn joined<T: AsRef<[u8]>>(messages: &[T]) -> Vec<u8> {
    let mut input = Vec::new();
    for message in messages {
        let message = message.as_ref();
        let length = u16::try_from(message.len()).expect("a message of a corpus is small");
        input.extend_from_slice(&length.to_be_bytes());
        input.extend_from_slice(message);
    }
    input
}
