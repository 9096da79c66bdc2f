//! RFC 3339 times, as far as histories use them: UTC, to the millisecond.

/// Milliseconds since 1970-01-01 of `2023-05-14T12:54:33.501Z`; `None` for what it is not.
pub(crate) fn unix_ms(text: &str) -> Option<i64> {
    let text = text
        .strip_suffix('Z')
        .or_else(|| text.strip_suffix("+00:00"))?;
    let (date, time) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let ms: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let seconds = (days(year, month, day) * 24 + hour) * 3_600 + minute * 60 + second;
    Some(seconds * 1_000 + ms)
}

/// Days since 1970-01-01: years begin in March here, so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        assert_eq!(unix_ms("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(unix_ms("2000-03-01T00:00:00+00:00"), Some(951_868_800_000));
        assert_eq!(unix_ms("2023-05-14T12:54:33.501Z"), Some(1_684_068_873_501));
        assert_eq!(unix_ms("2023-05-14T12:54:33.5Z"), Some(1_684_068_873_500));
        for bad in [
            "",
            "2023-05-14",
            "2023-13-14T12:54:33Z",
            "2023-05-14T12:54Z",
            "yesterday",
        ] {
            assert_eq!(unix_ms(bad), None, "{bad}");
        }
    }
}
