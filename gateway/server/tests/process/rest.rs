//! REST: what each route takes, gives and refuses.

use std::{io::Write, net::SocketAddr};

use serde_json::{Value, json};

use super::{
    native::SECRET,
    replica::{Answer, Replica, exchange, get},
};

const CLIENT: &str = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b";
const KEY: &str = "ik_0123456789abcdef0123456789abcdef";
/// Of `KEY`.
const KEY_HASH: &str = "cac038cbc738e62b36135d28e45eb5af853d54f3feee93e9c88512473a00f896";

fn send(address: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let mut text = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\nConnection: close\r\n",
        body.len()
    );
    for header in headers {
        text.push_str(&format!("{header}\r\n"));
    }
    Answer::parse(&exchange(address, &format!("{text}\r\n{body}")))
}

fn send_json(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &Value,
) -> Answer {
    let headers = [headers, &["Content-Type: application/json"]].concat();
    send(address, method, path, &headers, &body.to_string())
}

fn post(address: SocketAddr, path: &str, body: &Value) -> Answer {
    send_json(address, "POST", path, &[], body)
}

/// Refused with this code, as a problem.
fn refused(answer: &Answer, status: u16, code: &str) {
    answer.expect_problem(status, code);
}

#[test]
fn entries_are_appended_by_number_and_by_key() {
    let replica = Replica::start(&[]);
    let address = replica.address;
    let path = "/v1/documents/team%2Fessay/entries";
    let one = json!({ "client": CLIENT, "client_seq": 1, "payload": { "insert": "한" } });
    let first = post(address, path, &one);
    assert_eq!(first.status, 200, "{first:?}");
    let first = first.json();
    assert_eq!(
        (&first["client_seq"], &first["duplicate"]),
        (&json!(1), &json!(false))
    );
    assert!(first["position"].as_str().unwrap().starts_with("1-"));
    let again = post(address, path, &one).json();
    assert_eq!(
        (&again["position"], &again["duplicate"]),
        (&first["position"], &json!(true))
    );

    let other = json!({ "client": CLIENT, "client_seq": 1, "payload": { "insert": "글" } });
    let conflict = post(address, path, &other);
    refused(&conflict, 409, "client_conflict");
    assert_eq!(conflict.json()["row"]["client_seq"], 1, "{conflict:?}");

    let ahead = json!({ "client": CLIENT, "client_seq": 5, "text": "later" });
    let gap = post(address, path, &ahead);
    refused(&gap, 409, "gap");
    assert_eq!(gap.json()["expected"], 2, "{gap:?}");

    let unknown =
        json!({ "client": "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5c", "client_seq": 2, "text": "x" });
    refused(&post(address, path, &unknown), 409, "unknown_client");

    let batch = json!({ "client": CLIENT, "entries": [
        { "client_seq": 2, "base64": "/wA=" },
        { "client_seq": 3, "text": "three" },
    ]});
    let results = post(address, path, &batch).json();
    assert_eq!(results["results"][0]["client_seq"], 2, "{results}");
    assert!(
        results["results"][1]["position"]
            .as_str()
            .unwrap()
            .starts_with("3-")
    );

    let keyed = |key: &str, text: &str| {
        let key = format!("Idempotency-Key: {key}");
        send_json(address, "POST", path, &[&key], &json!({ "text": text }))
    };
    let first = keyed("a", "one").json();
    let again = keyed("a", "one").json();
    assert_eq!(again["duplicate"], true, "{again}");
    assert_eq!(first["position"], again["position"]);
    refused(&keyed("a", "two"), 409, "idempotency_conflict");
    assert_eq!(keyed("b", "two").json()["duplicate"], false);
    // Without a name it is another entry each time.
    let nameless = json!({ "text": "same" });
    let (one, two) = (
        post(address, path, &nameless).json(),
        post(address, path, &nameless).json(),
    );
    assert_ne!(one["position"], two["position"]);
}

#[test]
fn a_body_may_be_the_payload_itself() {
    let replica = Replica::start(&[]);
    let address = replica.address;
    let path = "/v1/documents/raw/entries";
    let client = format!("Inkwire-Client: {CLIENT}");
    let headers = [
        client.as_str(),
        "Inkwire-Client-Seq: 1",
        "Inkwire-Kind: image",
        "Content-Type: image/png",
    ];
    let first = send(address, "POST", path, &headers, "\u{89}PNG").json();
    assert_eq!(first["client_seq"], 1, "{first}");
    let text = send(
        address,
        "POST",
        path,
        &["Content-Type: text/plain"],
        "hello",
    );
    assert_eq!(text.status, 200, "{text:?}");
    let json = ["Content-Type: application/json", "Inkwire-Kind: edit"];
    assert_eq!(send(address, "POST", path, &json, "[1, 2]").status, 200);
    refused(
        &send(address, "POST", path, &json, "no json"),
        400,
        "invalid",
    );
    refused(
        &send(address, "POST", path, &[], "what is it"),
        415,
        "unsupported_media_type",
    );
    let topic = send(
        address,
        "POST",
        "/v1/topics/news/entries",
        &["Content-Type: text/plain"],
        "hello",
    );
    assert_eq!(topic.status, 200, "{topic:?}");
}

#[test]
fn bad_requests_have_their_codes() {
    let replica = Replica::start(&[]);
    let address = replica.address;
    let path = "/v1/documents/bad/entries";
    for (body, code) in [
        (json!({}), "invalid"),
        (json!({ "text": "a", "base64": "YQ==" }), "invalid"),
        (json!({ "base64": "%" }), "invalid"),
        (
            json!({ "client": "me", "client_seq": 1, "text": "a" }),
            "invalid",
        ),
        (json!({ "client": CLIENT, "text": "a" }), "invalid"),
        (json!({ "client_seq": 1, "text": "a" }), "invalid"),
        (
            json!({ "client": CLIENT, "client_seq": 0, "text": "a" }),
            "invalid",
        ),
        (json!({ "kind": "a b", "text": "a" }), "invalid"),
        (json!({ "kind": "access.grant", "text": "a" }), "invalid"),
        (
            json!({ "content_type": "application/json", "text": "no" }),
            "invalid",
        ),
        (json!({ "client": CLIENT, "entries": [] }), "invalid"),
        (
            json!({ "client": CLIENT, "entries": [{ "client_seq": 1, "text": "a" }, { "client_seq": 3, "text": "a" }] }),
            "invalid",
        ),
        (
            json!({ "client": 7, "client_seq": 1, "text": "a" }),
            "malformed",
        ),
        (json!([1]), "malformed"),
    ] {
        let answer = post(address, path, &body);
        assert!(answer.status == 400, "{body}: {answer:?}");
        assert_eq!(answer.json()["code"], code, "{body}");
    }
    let text = json!({ "text": "a" });
    refused(
        &post(address, "/v1/documents/a%20b/entries", &text),
        400,
        "invalid_document_id",
    );
    refused(
        &post(address, "/v1/documents/%FF/entries", &text),
        400,
        "invalid",
    );
    refused(
        &send(address, "PUT", path, &[], ""),
        405,
        "method_not_allowed",
    );
    let long = json!({ "text": "x".repeat(1_100_000) });
    let too_large = post(address, path, &long);
    refused(&too_large, 413, "too_large");
    assert_eq!(too_large.json()["max_bytes"], 1_048_576, "{too_large:?}");
}

#[test]
fn signals_are_taken_or_refused() {
    let replica = Replica::start(&[]);
    let address = replica.address;
    let path = "/v1/documents/essay/signals";
    for signal in [
        json!({ "client": CLIENT, "kind": "cursor", "payload": { "at": 7 } }),
        json!({ "kind": "typing", "payload": null, "position": "0-00000000000000aa" }),
    ] {
        let answer = post(address, path, &signal);
        assert_eq!((answer.status, answer.body.as_str()), (202, ""));
    }
    for (signal, status, code) in [
        (json!({ "kind": "cursor" }), 400, "invalid"),
        (json!({ "kind": "a b", "payload": 1 }), 400, "invalid"),
        (json!({ "client": "me", "payload": 1 }), 400, "invalid"),
        (
            json!({ "position": "7", "payload": 1 }),
            400,
            "invalid_position",
        ),
        (json!({ "payload": "x".repeat(16 << 10) }), 413, "too_large"),
        (json!([1]), 400, "malformed"),
    ] {
        refused(&post(address, path, &signal), status, code);
    }
    refused(
        &send(address, "POST", path, &["Content-Type: text/plain"], "x"),
        415,
        "unsupported_media_type",
    );
}

#[test]
fn comments_are_written_changed_and_read() {
    let replica = Replica::start(&[]);
    let address = replica.address;
    let base = "/v1/documents/reviewed";
    let path = format!("{base}/comments");
    refused(&get(address, &path), 404, "unknown_document");
    post(
        address,
        &format!("{base}/entries"),
        &json!({ "text": "the text" }),
    );
    let created = post(address, &path, &json!({ "text": "Is it?" }));
    assert_eq!(created.status, 201, "{created:?}");
    let created = created.json();
    let id = created["id"].as_str().unwrap();
    assert_eq!(created["comment"]["text"], "Is it?", "{created}");
    assert_eq!(created["comment"]["position"], created["position"]);
    let one = format!("{path}/{id}");
    let reply = post(
        address,
        &format!("{one}/replies"),
        &json!({ "text": "It is." }),
    )
    .json();
    assert_eq!(reply["comment"]["thread"], id, "{reply}");
    let patch = |body: Value| send_json(address, "PATCH", &one, &[], &body);
    assert_eq!(
        patch(json!({ "text": "Is it so?" })).json()["comment"]["text"],
        "Is it so?"
    );
    assert_eq!(
        patch(json!({ "resolved": true })).json()["comment"]["resolved"]["by"],
        "anonymous"
    );
    refused(&patch(json!({})), 400, "invalid");
    let all = get(address, &path).json();
    assert_eq!(all["comments"].as_array().unwrap().len(), 2, "{all}");
    let deleted = send(address, "DELETE", &one, &[], "");
    assert_eq!(deleted.json()["comment"]["deleted"], true, "{deleted:?}");
    assert_eq!(get(address, &one).json()["text"], "");
    let absent = format!("{path}/c{}", "0".repeat(32));
    refused(&get(address, &absent), 404, "unknown_comment");
    refused(
        &get(address, &format!("{path}/what")),
        404,
        "unknown_comment",
    );
    refused(
        &post(address, &path, &json!({ "text": "" })),
        400,
        "invalid",
    );
    refused(
        &post(
            address,
            &path,
            &json!({ "text": "a", "anchor": { "position": 1 } }),
        ),
        400,
        "invalid",
    );
}

#[test]
fn server_keys_are_owners_act_for_subjects_and_notify() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "# of the shop\nshop:{KEY_HASH}").unwrap();
    let path = file.path().to_str().unwrap();
    let replica = Replica::start_with_secret(SECRET, &["--server-keys-file", path]);
    let address = replica.address;
    let bearer = format!("Authorization: Bearer {KEY}");
    let entries = "/v1/documents/any/entries";
    let text = json!({ "text": "hello" });
    refused(&post(address, entries, &text), 401, "unauthenticated");
    let wrong = ["Authorization: Bearer ik_wrong"];
    refused(
        &send_json(address, "POST", entries, &wrong, &text),
        401,
        "unauthenticated",
    );
    assert_eq!(
        send_json(address, "POST", entries, &[&bearer], &text).status,
        200
    );
    let comments = "/v1/documents/any/comments";
    let acting = [bearer.as_str(), "Inkwire-Subject: alice"];
    let written = send_json(address, "POST", comments, &acting, &text).json();
    assert_eq!(written["comment"]["author"], "alice", "{written}");

    let access = "/v1/documents/any/participants/alice";
    let revoked = send(address, "DELETE", access, &[&bearer], "");
    assert_eq!(revoked.status, 200, "{revoked:?}");
    let again = send_json(address, "POST", entries, &acting, &text);
    refused(&again, 403, "revoked");
    assert_eq!(send(address, "PUT", access, &[&bearer], "").status, 200);
    let back = send_json(address, "POST", entries, &acting, &text);
    assert_eq!(back.status, 200, "{back:?}");

    let message = json!({ "subject": "alice", "payload": { "text": "done" } });
    let named = [bearer.as_str(), "Idempotency-Key: export-7"];
    let notify =
        |headers: &[&str]| send_json(address, "POST", "/v1/notifications", headers, &message);
    let first = notify(&named);
    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(notify(&named).json()["duplicate"], true);
    refused(&notify(&[]), 401, "unauthenticated");
}

#[test]
fn pages_elsewhere_ask_by_the_allow_list() {
    let page = "https://app.example.org";
    let replica = Replica::start(&["--allow-origin", page]);
    let address = replica.address;
    let path = "/v1/documents/cors/entries";
    let origin = format!("Origin: {page}");
    let asked = send(
        address,
        "OPTIONS",
        path,
        &[&origin, "Access-Control-Request-Method: POST"],
        "",
    );
    assert_eq!(asked.status, 204, "{asked:?}");
    assert!(
        asked
            .head
            .contains(&format!("access-control-allow-origin: {page}")),
        "{asked:?}"
    );
    assert!(asked.head.contains("idempotency-key"), "{asked:?}");
    let text = json!({ "text": "hello" });
    let answer = send_json(address, "POST", path, &[&origin], &text);
    assert!(
        answer
            .head
            .contains(&format!("access-control-allow-origin: {page}")),
        "{answer:?}"
    );
    let evil = send_json(
        address,
        "POST",
        path,
        &["Origin: https://evil.example"],
        &text,
    );
    refused(&evil, 403, "origin_refused");
}

#[test]
fn the_description_and_its_page_ask_nobody_else() {
    let replica = Replica::start(&[]);
    let described = get(replica.address, "/openapi.json");
    assert!(
        described.head.contains("content-type: application/json"),
        "{described:?}"
    );
    let described = described.json();
    assert!(described["openapi"].as_str().unwrap().starts_with("3."));
    let append = &described["paths"]["/v1/documents/{id}/entries"]["post"];
    assert_eq!(
        append["responses"]["409"]["content"]["application/problem+json"]["schema"]["$ref"],
        "#/components/schemas/ProblemBody"
    );
    for path in ["/docs/api", "/docs/api.js", "/docs/api.css"] {
        let file = get(replica.address, path);
        assert_eq!(file.status, 200, "{path}");
        assert!(
            file.head
                .contains("content-security-policy: default-src 'self'"),
            "{file:?}"
        );
        assert!(
            !file.body.contains("http://") && !file.body.contains("https://"),
            "{path}"
        );
    }
}

/// Needs `schemathesis` on the path: `test.sh` installs it.
#[test]
fn what_the_description_permits_and_more_breaks_nothing() {
    let replica = Replica::start(&[]);
    let description = format!("http://{}/openapi.json", replica.address);
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,\
        response_schema_conformance,response_headers_conformance";
    let run = std::process::Command::new("schemathesis")
        .args(["run", &description, "--checks", checks])
        .args([
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            "10",
        ])
        .args(["--no-color", "--generation-database", "none"])
        .output()
        .expect("schemathesis is installed (test.sh)");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}");
}

#[test]
fn entries_are_read_by_position() {
    let replica = Replica::start(&[]);
    let address = replica.address;
    let path = "/v1/documents/essay/entries";
    let strange = "7-0123456789abcdef";
    refused(&get(address, path), 404, "unknown_document");
    refused(
        &get(address, "/v1/documents/essay"),
        404,
        "unknown_document",
    );
    let mut positions = Vec::new();
    for number in 1..=5 {
        let one = json!({ "client": CLIENT, "client_seq": number, "payload": number });
        let answer = post(address, path, &one).json();
        positions.push(answer["position"].as_str().unwrap().to_owned());
    }
    let first = get(address, &format!("{path}?limit=3")).json();
    let read: Vec<&Value> = first["entries"].as_array().unwrap().iter().collect();
    assert_eq!(read.len(), 3);
    assert_eq!(read[0]["type"], "entry");
    assert_eq!(read[2]["payload"], 3);
    assert_eq!(first["position"], positions[2].as_str());
    assert_eq!(
        (&first["is_last"], &first["reset"]),
        (&json!(false), &Value::Null)
    );
    let rest = get(address, &format!("{path}?since={}", positions[2])).json();
    assert_eq!(rest["entries"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&rest["is_last"], &rest["head"]),
        (&json!(true), &json!(positions[4]))
    );

    let over = get(address, &format!("{path}?since={strange}")).json();
    assert_eq!(over["reset"], "diverged");
    assert_eq!(over["entries"].as_array().unwrap().len(), 5);
    let about = get(address, "/v1/documents/essay").json();
    assert_eq!(
        (&about["head"], &about["snapshot"]),
        (&json!(positions[4]), &Value::Null)
    );

    let reads = format!("{path}?min_position={}", positions[4]);
    assert_eq!(get(address, &reads).status, 200);
    refused(
        &get(address, &format!("{path}?min_position={strange}")),
        409,
        "not_reached",
    );
    let forked = format!("{path}?min_position=3-0123456789abcdef");
    refused(&get(address, &forked), 409, "diverged");
    for (query, code) in [
        ("limit=0", "invalid"),
        ("limit=1001", "invalid"),
        ("limit=x", "invalid"),
        ("since=x", "invalid_position"),
        ("min_position=1-x", "invalid_position"),
    ] {
        refused(&get(address, &format!("{path}?{query}")), 400, code);
    }
    let topic = "/v1/topics/news/entries";
    assert_eq!(post(address, topic, &json!({ "text": "now" })).status, 200);
    assert_eq!(get(address, topic).json()["entries"][0]["text"], "now");
}

#[test]
fn snapshots_are_put_read_and_trim_the_log() {
    let replica = Replica::start(&[]);
    let address = replica.address;
    let path = "/v1/documents/essay/snapshot";
    let put = |headers: &[&str], body: &str| send(address, "PUT", path, headers, body);
    let put_json = |body: &Value| send_json(address, "PUT", path, &[], body);

    // A back end gives the document what it begins with.
    let seed = put_json(&json!({ "text": "Once" }));
    assert_eq!(seed.status, 200, "{seed:?}");
    refused(
        &put_json(&json!({ "text": "Once" })),
        409,
        "snapshot_not_newer",
    );
    let mut last = String::new();
    for first in [1, 101, 201] {
        let entry = |number: u64| json!({ "client_seq": number, "payload": number });
        let entries: Vec<Value> = (first..first + 100).map(entry).collect();
        let batch = json!({ "client": CLIENT, "entries": entries });
        let answer = post(address, "/v1/documents/essay/entries", &batch).json();
        let position = &answer["results"][99]["position"];
        position.as_str().unwrap().clone_into(&mut last);
    }
    let raw = [
        "Content-Type: text/plain",
        &format!("Inkwire-Position: {last}"),
    ];
    let kept = put(&raw, "Once upon a time").json();
    assert_eq!(kept["position"], last.as_str());
    assert!(kept["base"].as_str().unwrap().starts_with("100-"), "{kept}");

    let read = get(address, path);
    assert_eq!(read.body, "Once upon a time");
    assert!(read.head.contains(&format!("etag: \"{last}\"")), "{read:?}");
    assert!(
        read.head.contains(&format!("inkwire-position: {last}")),
        "{read:?}"
    );
    let known = format!("If-None-Match: \"{last}\"");
    assert_eq!(send(address, "GET", path, &[&known], "").status, 304);
    let page = get(address, "/v1/documents/essay/entries").json();
    assert_eq!(page["snapshot"]["text"], "Once upon a time");
    assert_eq!(
        (page["entries"].as_array().unwrap().len(), &page["is_last"]),
        (0, &json!(true))
    );

    let at = |position: &str| json!({ "position": position, "text": "x" });
    refused(
        &put_json(&at("5-0123456789abcdef")),
        409,
        "snapshot_not_in_history",
    );
    refused(&put_json(&at("nowhere")), 400, "invalid_position");
    refused(&put_json(&json!({ "position": last })), 400, "invalid");
    refused(
        &get(address, "/v1/documents/none/snapshot"),
        404,
        "unknown_document",
    );
    let entries = "/v1/documents/bare/entries";
    assert_eq!(post(address, entries, &json!({ "text": "x" })).status, 200);
    refused(
        &get(address, "/v1/documents/bare/snapshot"),
        404,
        "no_snapshot",
    );
    // Writers delete nothing.
    let delete = send(address, "DELETE", "/v1/documents/essay", &[], "");
    refused(&delete, 403, "forbidden");
}

#[test]
fn an_owner_deletes_a_document() {
    let mut keys = tempfile::NamedTempFile::new().unwrap();
    writeln!(keys, "back:{KEY_HASH}").unwrap();
    let replica = Replica::start(&["--server-keys-file", keys.path().to_str().unwrap()]);
    let address = replica.address;
    let bearer = format!("Authorization: Bearer {KEY}");
    let delete = || send(address, "DELETE", "/v1/documents/essay", &[&bearer], "");
    refused(&delete(), 404, "unknown_document");
    let entries = "/v1/documents/essay/entries";
    let one = json!({ "client": CLIENT, "client_seq": 1, "text": "gone" });
    let before = post(address, entries, &one).json()["position"].clone();
    let before = before.as_str().unwrap();
    let deleted = delete().json();
    assert!(
        deleted["position"].as_str().unwrap().starts_with("1-"),
        "{deleted}"
    );
    let page = get(address, &format!("{entries}?since={before}")).json();
    assert_eq!(page["reset"], "deleted");
    assert_eq!(page["entries"].as_array().unwrap().len(), 0);
    // The number is known still: it does not come back.
    assert_eq!(post(address, entries, &one).json()["duplicate"], true);
    assert_eq!(
        get(address, entries).json()["entries"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
}

#[test]
fn names_of_the_demo_are_for_this_machine_and_give_no_more_than_nobody_has() {
    let path = "/v1/demo/token";
    let asked = |name: &str, role: &str| json!({ "name": name, "document": "essay", "role": role });
    let ask =
        |address, headers: &[&str], body: &Value| send_json(address, "POST", path, headers, body);
    let replica = Replica::start(&[]);
    let address = replica.address;
    let good = ask(address, &[], &asked("ann", "writer"));
    assert_eq!(good.status, 200, "{good:?}");
    let forwarded = ask(
        address,
        &["X-Forwarded-For: 192.0.2.1"],
        &asked("ann", "writer"),
    );
    refused(&forwarded, 404, "not_found");
    let body = asked("ann", "writer").to_string();
    let foreign = format!(
        "POST {path} HTTP/1.1\r\nHost: evil.example\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    refused(
        &Answer::parse(&exchange(address, &foreign)),
        404,
        "not_found",
    );
    for name in ["", "  ", "a\nb", &"x".repeat(41)] {
        let answer = ask(address, &[], &asked(name, "writer"));
        refused(&answer, 400, "invalid");
    }
    refused(&ask(address, &[], &asked("ann", "god")), 400, "invalid");

    // A token for an owner is one for what anybody has: it revokes nobody.
    let token = ask(address, &[], &asked("ann", "owner")).json();
    let bearer = format!("Authorization: Bearer {}", token["token"].as_str().unwrap());
    let revoke = "/v1/documents/essay/participants/bob";
    let answer = send(address, "DELETE", revoke, &[&bearer], "");
    refused(&answer, 403, "forbidden");
}
