use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use inkwire_model::{Code, DocumentId, Role, Subject};
use inkwire_session::DestinationPattern;
use jsonwebtoken::{EncodingKey, encode};
use serde_json::{Value, json};

use super::{
    issuer::{EC, ED, IssuerKey, RSA, ec, jwks},
    *,
};

const NOW_MS: u64 = 1_800_000_000_000;
const NOW: u64 = NOW_MS / 1_000;
const LEEWAY_MS: u64 = 5_000;
const LOOK_GAP: Duration = Duration::from_secs(3_600);
const SECRET: &str = "0123456789abcdef0123456789abcdef\n";

fn secret() -> TokenSecret {
    TokenSecret::parse(SECRET).unwrap()
}

fn rules() -> ClaimRules {
    ClaimRules {
        leeway_ms: LEEWAY_MS,
        ..ClaimRules::default()
    }
}

fn verifier(secret: Option<TokenSecret>, set: Option<&str>, rules: ClaimRules) -> TokenVerifier {
    let config = TokenConfig {
        secret,
        source: None,
        rules,
    };
    let keys = set.map(|set| {
        let set = KeySet::parse(set.as_bytes()).unwrap();
        Arc::new(PublishedKeys::new(Some(set), LOOK_GAP))
    });
    TokenVerifier::new(&config, keys).unwrap()
}

/// Checks HS256 alone.
fn verify(token: &str) -> Result<Grant, Code> {
    let verified = verifier(Some(secret()), None, rules()).verify(token, NOW_MS);
    verified.map_err(|error| error.code())
}

/// A secret and a key of each algorithm.
fn full() -> TokenVerifier {
    verifier(Some(secret()), Some(&jwks(&[&RSA, &EC, &ED])), rules())
}

fn code(verifier: &TokenVerifier, token: &str) -> Option<Code> {
    verifier
        .verify(token, NOW_MS)
        .err()
        .map(|error| error.code())
}

fn signed(algorithm: Algorithm, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, &secret().encoding_key()).unwrap()
}

fn good() -> Value {
    json!({ "sub": "alice", "documents": { "essay-42": "writer" }, "exp": NOW + 60 })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = good();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = good();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// The token with another header.
fn with_header(token: &str, header: &Value) -> String {
    let rest = token.split_once('.').unwrap().1;
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

fn pattern(text: &str) -> DestinationPattern {
    DestinationPattern::parse(text).unwrap()
}

#[test]
fn destinations_have_roles_of_their_own() {
    let claims = with(
        "destinations",
        json!({ "topic/news": "viewer", "topic/*": "writer", "user/svc:*": "writer" }),
    );
    let grant = verify(&signed(Algorithm::HS256, &claims)).unwrap();
    let role = |id: Result<DocumentId, _>| grant.role_in(&id.unwrap());
    assert_eq!(role(DocumentId::topic("news")), Some(Role::Viewer));
    assert_eq!(role(DocumentId::topic("prices")), Some(Role::Writer));
    assert_eq!(role(DocumentId::parse("topic/prices")), None);
    assert_eq!(role(DocumentId::parse("essay-42")), Some(Role::Writer));
    assert_eq!(grant.roles.role_in_queue("prices"), None);
    let of = |subject| DocumentId::of_user(&Subject::parse(subject).unwrap(), "x");
    assert_eq!(role(of("svc:mail")), Some(Role::Writer));
    assert_eq!(role(of("alice")), Some(Role::Viewer), "her own");
    assert_eq!(role(of("bob")), None);
}

#[test]
fn what_is_issued_is_verified() {
    let document = DocumentId::parse("team/essay").unwrap();
    let roles = [(document.clone(), Role::Owner)];
    let destinations = [(pattern("queue/jobs"), Role::Writer)];
    let subject = Subject::parse("alice").unwrap();
    let content = TokenContent {
        subject: &subject,
        roles: &roles,
        destinations: &destinations,
        lifetime: Duration::from_secs(3600),
        issuer: Some("inkwire"),
        audience: Some("essays"),
    };
    let token = issue(&secret(), &content, NOW_MS).unwrap();
    let rules = ClaimRules {
        issuers: vec!["inkwire".into()],
        audiences: vec!["essays".into()],
        ..rules()
    };
    let grant = verifier(Some(secret()), None, rules)
        .verify(&token, NOW_MS)
        .unwrap();
    assert_eq!(grant.subject, subject);
    assert_eq!(grant.roles.role_in(&document), Some(Role::Owner));
    let other = DocumentId::parse("other").unwrap();
    assert_eq!(grant.roles.role_in(&other), None);
    assert_eq!(grant.roles.role_in_queue("jobs"), Some(Role::Writer));
    assert_eq!(grant.roles.role_in_queue("other"), None);
    assert_eq!(grant.expires_at_ms, Some(NOW_MS + 3_600_000 + LEEWAY_MS));
}

#[test]
fn each_algorithm_with_its_key_and_no_other() {
    let verifier = full();
    for key in [&*RSA, &*EC, &*ED] {
        let grant = verifier.verify(&key.sign(&good()), NOW_MS).unwrap();
        assert_eq!(grant.subject.as_str(), "alice");
        // Without a name the algorithm says which key it is, as long as there is one.
        assert_eq!(code(&verifier, &key.sign_as(None, &good())), None);
        for other in [&*RSA, &*EC, &*ED].map(|key| key.kid) {
            let expected = (other != key.kid).then_some(Code::Unauthenticated);
            let token = key.sign_as(Some(other), &good());
            assert_eq!(code(&verifier, &token), expected, "{} as {other}", key.kid);
        }
        // Claims of one token under the signature of another.
        let (one, two) = (key.sign(&good()), key.sign(&with("sub", json!("mallory"))));
        let (one, two): (Vec<_>, Vec<_>) = (one.split('.').collect(), two.split('.').collect());
        let mixed = format!("{}.{}.{}", one[0], two[1], one[2]);
        assert_eq!(code(&verifier, &mixed), Some(Code::Unauthenticated));
        let cut = format!("{}.{}.{}", one[0], one[1], &one[2][..one[2].len() - 4]);
        assert_eq!(code(&verifier, &cut), Some(Code::Unauthenticated));
    }
    assert_eq!(code(&verifier, &signed(Algorithm::HS256, &good())), None);
    // Another key under a known name.
    let forged = ec("ec-1").sign(&good());
    assert_eq!(code(&verifier, &forged), Some(Code::Unauthenticated));
}

#[test]
fn a_public_key_is_no_secret() {
    let verifier = full();
    for key in [&*RSA, &*EC, &*ED] {
        let jwk = key.jwk();
        let mut guesses: Vec<Vec<u8>> = vec![
            jwk.to_string().into_bytes(),
            jwks(&[&RSA, &EC, &ED]).into_bytes(),
        ];
        for member in ["n", "x", "y"] {
            if let Some(text) = jwk[member].as_str() {
                guesses.push(text.as_bytes().to_vec());
                guesses.push(URL_SAFE_NO_PAD.decode(text).unwrap());
            }
        }
        for guess in guesses {
            let mut header = Header::new(Algorithm::HS256);
            header.kid = Some(key.kid.to_owned());
            let token = encode(&header, &good(), &EncodingKey::from_secret(&guess)).unwrap();
            assert_eq!(code(&verifier, &token), Some(Code::Unauthenticated));
        }
    }
}

#[test]
fn the_header_chooses_no_algorithm() {
    let full = full();
    for key in [&*RSA, &*EC, &*ED] {
        let token = key.sign(&good());
        for alg in [
            "none", "None", "NONE", "", "HS256", "HS384", "HS512", "RS256", "RS384", "RS512",
            "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519",
        ] {
            let header = json!({ "alg": alg, "typ": "JWT", "kid": key.kid });
            let token = with_header(&token, &header);
            // The right one too: it is not the header that was signed, letter for letter.
            let told = code(&full, &token);
            assert_eq!(told, Some(Code::Unauthenticated), "{} as {alg}", key.kid);
            let bare = format!("{}.", token.rsplit_once('.').unwrap().0);
            assert_eq!(code(&full, &bare), Some(Code::Unauthenticated));
        }
        // Only HS256 is configured: a key's token is nobody's.
        assert_eq!(verify(&token), Err(Code::Unauthenticated));
    }
    // Only keys are configured: a secret's token is nobody's.
    let keys_alone = verifier(None, Some(&jwks(&[&EC])), rules());
    let token = signed(Algorithm::HS256, &good());
    assert_eq!(code(&keys_alone, &token), Some(Code::Unauthenticated));
}

#[test]
fn what_must_be_understood_and_is_not_is_refused() {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(EC.kid.to_owned());
    header.crit = Some(vec!["b64".to_owned()]);
    let token = encode(&header, &good(), &EC.signing).unwrap();
    assert_eq!(code(&full(), &token), Some(Code::Unauthenticated));
}

#[test]
fn keys_that_a_token_brings_along_count_for_nothing() {
    let mallory = ec("mallory");
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("mallory".to_owned());
    header.jwk = serde_json::from_value(mallory.jwk()).ok();
    header.jku = Some("https://mallory.example/jwks".to_owned());
    let token = encode(&header, &good(), &mallory.signing).unwrap();
    assert_eq!(code(&full(), &token), Some(Code::Unauthenticated));
}

#[test]
fn without_a_name_there_is_one_key_or_none() {
    let (one, two) = (ec("one"), ec("two"));
    let verifier = verifier(None, Some(&jwks(&[&one, &two])), rules());
    let token = one.sign_as(None, &good());
    assert_eq!(code(&verifier, &token), Some(Code::Unauthenticated));
    assert_eq!(code(&verifier, &one.sign(&good())), None);
}

#[test]
fn an_unknown_key_is_looked_up_once() {
    let keys = Arc::new(PublishedKeys::new(None, LOOK_GAP));
    let config = TokenConfig {
        rules: rules(),
        ..TokenConfig::default()
    };
    let verifier = TokenVerifier::new(&config, Some(keys.clone())).unwrap();
    let token = EC.sign(&good());
    // Nothing was read yet: that says nothing about the token.
    assert_eq!(code(&verifier, &token), Some(Code::Unavailable));
    keys.replace(KeySet::parse(jwks(&[&ED]).as_bytes()).unwrap());
    // They were read a moment ago, and it is not there.
    assert_eq!(code(&verifier, &token), Some(Code::Unauthenticated));
    keys.replace(KeySet::parse(jwks(&[&ED, &EC]).as_bytes()).unwrap());
    assert_eq!(code(&verifier, &token), None);
    // Dropped keys no longer count.
    keys.replace(KeySet::parse(jwks(&[&ED]).as_bytes()).unwrap());
    assert_eq!(code(&verifier, &token), Some(Code::Unauthenticated));
}

#[test]
fn times_have_a_bounded_leeway() {
    let at = |name, seconds: Value| verify(&signed(Algorithm::HS256, &with(name, seconds)));
    assert!(at("exp", json!(NOW - 4)).is_ok());
    assert!(at("exp", json!(NOW as f64 - 4.5)).is_ok());
    assert_eq!(at("exp", json!(NOW - 5)), Err(Code::TokenExpired));
    assert_eq!(at("exp", json!(0)), Err(Code::TokenExpired));
    assert!(at("nbf", json!(NOW + 5)).is_ok());
    assert_eq!(at("nbf", json!(NOW + 6)), Err(Code::Unauthenticated));
    assert_eq!(at("nbf", json!("soon")), Err(Code::Unauthenticated));
    assert!(at("exp", json!(u64::MAX)).is_ok());
    assert_eq!(at("exp", json!(1e300)), Err(Code::Unauthenticated));
}

#[test]
fn the_leeway_is_a_setting() {
    let exact = verifier(Some(secret()), None, ClaimRules::default());
    let token = signed(Algorithm::HS256, &with("exp", json!(NOW)));
    assert_eq!(code(&exact, &token), Some(Code::TokenExpired));
    let token = signed(Algorithm::HS256, &with("exp", json!(NOW + 1)));
    let grant = exact.verify(&token, NOW_MS).unwrap();
    assert_eq!(grant.expires_at_ms, Some(NOW_MS + 1_000));
}

#[test]
fn issuer_and_audience() {
    let strict = verifier(
        Some(secret()),
        None,
        ClaimRules {
            issuers: vec!["https://login.example.org".into(), "other".into()],
            audiences: vec!["inkwire".into()],
            ..rules()
        },
    );
    let lax = verifier(Some(secret()), None, rules());
    let iss = "https://login.example.org";
    let refused = Some(Code::Unauthenticated);
    for (iss, aud, by_strict, by_lax) in [
        (json!(iss), json!("inkwire"), None, refused),
        (json!("other"), json!(["a", "inkwire"]), None, refused),
        (json!(iss), json!(["a", "b"]), refused, refused),
        (json!(iss), json!([]), refused, refused),
        (json!(iss), json!("INKWIRE"), refused, refused),
        (json!(iss), json!(7), refused, refused),
        (json!(iss), Value::Null, refused, None),
        (
            json!("https://login.example.org/"),
            json!("inkwire"),
            refused,
            refused,
        ),
        (json!(["other"]), json!("inkwire"), refused, refused),
        (Value::Null, json!("inkwire"), refused, refused),
        (Value::Null, Value::Null, refused, None),
    ] {
        let mut claims = good();
        claims["iss"] = iss;
        claims["aud"] = aud;
        let token = signed(Algorithm::HS256, &claims);
        assert_eq!(code(&strict, &token), by_strict, "{claims}");
        assert_eq!(code(&lax, &token), by_lax, "{claims}");
    }
}

#[test]
fn other_algorithms_are_refused() {
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        assert_eq!(
            verify(&signed(algorithm, &good())),
            Err(Code::Unauthenticated)
        );
    }
    // {"alg":"none","typ":"JWT"} and the good claims' shape, with and without a signature.
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let signed = signed(Algorithm::HS256, &good());
    let parts: Vec<_> = signed.split('.').collect();
    for token in [
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
    ] {
        assert_eq!(verify(&token), Err(Code::Unauthenticated), "{token}");
    }
}

#[test]
fn another_secret_signs_for_nobody() {
    let other = TokenSecret::parse("another secret of thirty-two bytes").unwrap();
    let token = encode(
        &Header::new(Algorithm::HS256),
        &good(),
        &other.encoding_key(),
    )
    .unwrap();
    assert_eq!(verify(&token), Err(Code::Unauthenticated));
}

#[test]
fn missing_and_wrong_claims_are_refused() {
    let claims = [
        without("sub"),
        without("exp"),
        without("documents"),
        with("sub", json!("")),
        with("sub", json!("inkwire")),
        with("sub", json!(7)),
        with("exp", json!("tomorrow")),
        with("exp", json!(-1)),
        with("exp", Value::Null),
        with("documents", json!(["essay-42"])),
        with("documents", json!({ "essay-42": "god" })),
        with("documents", json!({ "a b": "writer" })),
        with("documents", json!({ "$topic/news": "writer" })),
        with("destinations", json!(["topic/news"])),
        with("destinations", Value::Null),
        with("destinations", json!({ "topic/news": "god" })),
        with("destinations", json!({ "news": "viewer" })),
        with("destinations", json!({ "topic/a b": "viewer" })),
        with("destinations", json!({ "queue/": "viewer" })),
        with("destinations", json!({ "user/\n": "viewer" })),
        json!([]),
    ];
    for claims in claims {
        let token = signed(Algorithm::HS256, &claims);
        assert_eq!(verify(&token), Err(Code::Unauthenticated), "{claims}");
    }
}

#[test]
fn garbage_is_refused() {
    let long = "a.".repeat(TOKEN_BYTES_MAX);
    for token in ["", ".", "..", "a.b.c", "Bearer x", "\u{0}", "é.é.é", &long] {
        assert_eq!(verify(token), Err(Code::Unauthenticated));
        assert_eq!(code(&full(), token), Some(Code::Unauthenticated));
    }
}

fn set_of(key: &IssuerKey, change: impl FnOnce(&mut Value)) -> Result<KeySet, InvalidKeySet> {
    let mut jwk = key.jwk();
    change(&mut jwk);
    KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes())
}

#[test]
fn keys_that_are_not_for_this_are_left_out() {
    type Change = fn(&mut Value);
    let changes: [(&IssuerKey, Change); 14] = [
        (&RSA, |jwk| jwk["use"] = json!("enc")),
        (&RSA, |jwk| jwk["key_ops"] = json!(["encrypt"])),
        (&RSA, |jwk| jwk["alg"] = json!("PS256")),
        (&RSA, |jwk| jwk["alg"] = json!("HS256")),
        (&RSA, |jwk| jwk["alg"] = json!("RSA-OAEP")),
        (&RSA, |jwk| jwk["d"] = json!("AQAB")),
        (&RSA, |jwk| {
            jwk["n"] = json!(URL_SAFE_NO_PAD.encode([0xff; 128]))
        }),
        (&RSA, |jwk| {
            jwk["n"] = json!(URL_SAFE_NO_PAD.encode([0xff; 1_024]))
        }),
        (&RSA, |jwk| jwk["e"] = json!("AQ")),
        (&EC, |jwk| jwk["crv"] = json!("P-384")),
        (&EC, |jwk| jwk["x"] = json!("AQAB")),
        (&ED, |jwk| jwk["x"] = json!("!")),
        (&ED, |jwk| jwk["crv"] = json!("Ed448")),
        (&ED, |jwk| {
            *jwk = json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "s" })
        }),
    ];
    for (index, (key, change)) in changes.into_iter().enumerate() {
        let refused = set_of(key, change).err();
        assert!(
            matches!(refused, Some(InvalidKeySet::Empty(ref why)) if why.len() == 1),
            "{index}: {refused:?}"
        );
    }
    for key in [&*RSA, &*EC, &*ED] {
        // What a key does not say follows from its type.
        let set = set_of(key, |jwk| {
            jwk.as_object_mut()
                .unwrap()
                .retain(|name, _| name != "alg" && name != "use");
        });
        assert!(set.unwrap().find(Some(key.kid), key.algorithm).is_ok());
    }
}

#[test]
fn a_set_is_more_than_its_bad_keys() {
    let text = json!({ "keys": [
        { "kty": "future", "kid": "f" }, 7, RSA.jwk(), RSA.jwk(), { "kty": "EC", "crv": "secp256k1" },
    ] });
    let set = KeySet::parse(text.to_string().as_bytes()).unwrap();
    assert_eq!(
        (set.count(), set.skipped().len()),
        (1, 4),
        "{:?}",
        set.skipped()
    );
    for text in ["", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]}", "<html>"] {
        assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
    }
    let many = json!({ "keys": vec![json!({}); 65] }).to_string();
    assert_eq!(
        KeySet::parse(many.as_bytes()).err(),
        Some(InvalidKeySet::TooMany)
    );
}
