//! The exposition formats: Prometheus text, and OpenMetrics, which has exemplars.

use std::{
    fmt::{self, Write as _},
    time::SystemTime,
};

use inkwire_measure::HistogramReading;

use super::{Family, Metric, Point, Shape, Value};
use crate::telemetry::tracing::Exemplar;

/// The media types.
pub const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const US_PER_S: f64 = 1_000_000.0;

pub fn prometheus(families: &[Family]) -> String {
    written(families, false)
}

pub fn open_metrics(families: &[Family]) -> String {
    let mut text = written(families, true);
    text.push_str("# EOF\n");
    text
}

fn written(families: &[Family], is_open: bool) -> String {
    let mut text = String::with_capacity(16_384);
    for family in families {
        // Writing into a text does not fail.
        let _ = family_text(&mut text, family, is_open);
    }
    text
}

fn family_text(text: &mut String, family: &Family, is_open: bool) -> fmt::Result {
    let Metric {
        name,
        shape,
        sentence,
        ..
    } = family.metric;
    // There, a counter's samples have the suffix and its family does not.
    let family_name = match (is_open, shape) {
        (true, Shape::Counter) => name.trim_end_matches("_total"),
        _ => name,
    };
    writeln!(text, "# HELP {family_name} {}", escaped(sentence))?;
    writeln!(text, "# TYPE {family_name} {}", shape.as_str())?;
    for Point { labels, value } in &family.points {
        let labels: Vec<_> = family
            .metric
            .labels
            .iter()
            .copied()
            .zip(labels.iter().copied())
            .collect();
        match value {
            Value::Number(number) => writeln!(text, "{name}{} {number}", braced(&labels, None))?,
            Value::Durations(reading, exemplars) => {
                let exemplars = if is_open { exemplars.as_slice() } else { &[] };
                histogram_text(text, name, &labels, reading, exemplars)?;
            }
        }
    }
    Ok(())
}

fn histogram_text(
    text: &mut String,
    name: &str,
    labels: &[(&str, &str)],
    reading: &HistogramReading,
    exemplars: &[(usize, Exemplar)],
) -> fmt::Result {
    let mut below = 0;
    for (place, count) in reading.counts.iter().enumerate() {
        below += count;
        let bound = match reading.bounds.get(place) {
            Some(us) => (*us as f64 / US_PER_S).to_string(),
            None => "+Inf".to_owned(),
        };
        write!(
            text,
            "{name}_bucket{} {below}",
            braced(labels, Some(&bound))
        )?;
        match exemplars.iter().find(|(bucket, _)| *bucket == place) {
            Some((_, exemplar)) => writeln!(text, "{}", exemplar_text(exemplar))?,
            None => writeln!(text)?,
        }
    }
    let sum = reading.sum as f64 / US_PER_S;
    writeln!(text, "{name}_sum{} {sum}", braced(labels, None))?;
    writeln!(text, "{name}_count{} {below}", braced(labels, None))
}

fn exemplar_text(exemplar: &Exemplar) -> String {
    let at = exemplar.at.duration_since(SystemTime::UNIX_EPOCH);
    format!(
        " # {{trace_id=\"{}\",span_id=\"{}\"}} {} {}",
        exemplar.context.trace_id_text(),
        exemplar.context.span_id_text(),
        exemplar.took.as_secs_f64(),
        at.unwrap_or_default().as_secs_f64(),
    )
}

/// The labels in braces, `le` last; nothing without any.
fn braced(labels: &[(&str, &str)], le: Option<&str>) -> String {
    let all = labels.iter().copied().chain(le.map(|bound| ("le", bound)));
    let pairs: Vec<_> = all
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value).replace('"', "\\\"")))
        .collect();
    match pairs.is_empty() {
        true => String::new(),
        false => format!("{{{}}}", pairs.join(",")),
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use inkwire_measure::Histogram;

    use super::*;
    use crate::telemetry::{metrics::METRICS, tracing::TraceContext};

    fn metric(name: &str) -> &'static Metric {
        METRICS.iter().find(|metric| metric.name == name).unwrap()
    }

    #[test]
    fn numbers_with_labels() {
        let family = Family {
            metric: metric("inkwire_resets_total"),
            points: vec![Point {
                labels: vec!["trimmed"],
                value: Value::Number(3.0),
            }],
        };
        let text = prometheus(std::slice::from_ref(&family));
        assert!(
            text.contains("# TYPE inkwire_resets_total counter\n"),
            "{text}"
        );
        assert!(
            text.contains("inkwire_resets_total{cause=\"trimmed\"} 3\n"),
            "{text}"
        );
        let text = open_metrics(&[family]);
        assert!(text.contains("# TYPE inkwire_resets counter\n"), "{text}");
        assert!(
            text.ends_with("inkwire_resets_total{cause=\"trimmed\"} 3\n# EOF\n"),
            "{text}"
        );
    }

    #[test]
    fn buckets_add_up_and_have_exemplars_where_the_format_does() {
        let histogram = Histogram::of_durations();
        histogram.record(Duration::from_micros(200));
        histogram.record(Duration::from_secs(100));
        let context =
            TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        let exemplar = Exemplar {
            context: context.unwrap(),
            took: Duration::from_micros(200),
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(5),
        };
        let family = Family {
            metric: metric("inkwire_delivery_duration_seconds"),
            points: vec![Point {
                labels: Vec::new(),
                value: Value::Durations(histogram.read(), vec![(1, exemplar)]),
            }],
        };
        let name = "inkwire_delivery_duration_seconds";
        let text = prometheus(std::slice::from_ref(&family));
        for line in [
            format!("{name}_bucket{{le=\"0.0001\"}} 0\n"),
            format!("{name}_bucket{{le=\"0.00025\"}} 1\n"),
            format!("{name}_bucket{{le=\"+Inf\"}} 2\n"),
            format!("{name}_sum 100.0002\n"),
            format!("{name}_count 2\n"),
        ] {
            assert!(text.contains(&line), "{line} in {text}");
        }
        let text = open_metrics(&[family]);
        let line = "{le=\"0.00025\"} 1 # {trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\",\
                    span_id=\"00f067aa0ba902b7\"} 0.0002 5\n";
        assert!(text.contains(line), "{text}");
    }
}
