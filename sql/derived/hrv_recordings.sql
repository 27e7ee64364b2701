/* model
name: hrv_recordings
zone: derived
grain: one row per person per uninterrupted recording of beats, cut at local midnight
keys: [pid, local_date, source, recording]
owner: data-platform
reads: [heart]
period: day
retention_class: derived/default
erasure: rewrite
disclosure: null
columns:
  pid: {class: ordinary, description: pseudonym of the derived zone}
  local_date: {class: ordinary, description: local calendar day of the beats}
  source: {class: ordinary, description: platform and application that recorded it}
  recording: {class: ordinary, description: number of the recording among those of the day and source}
  start_utc: {class: sensitive, description: end of the first interval of the recording, formula: earliest time, source: "Task Force of the ESC and NASPE, Circulation 1996;93:1043"}
  intervals: {class: ordinary, description: normal intervals between beats that the row is computed from}
  minutes: {class: sensitive, unit: min, description: length of the recording, formula: sum of the intervals, source: "Task Force of the ESC and NASPE, Circulation 1996;93:1043"}
  mean_nn_ms: {class: sensitive, unit: ms, description: mean interval, formula: arithmetic mean, source: "Task Force of the ESC and NASPE, Circulation 1996;93:1043 (mean NN)"}
  sdnn_ms:
    class: sensitive
    unit: ms
    description: SDNN of the recording; compare only recordings of equal length
    formula: sample standard deviation (n - 1) of the intervals
    source: "Task Force of the ESC and NASPE, Circulation 1996;93:1043 (SDNN); NeuroKit2 0.2, hrv_time"
  rmssd_ms:
    class: sensitive
    unit: ms
    description: RMSSD of the recording; never mixed with SDNN nor with a value that a device reports
    formula: square root of the mean of the n - 1 squared differences between successive intervals
    source: "Task Force of the ESC and NASPE, Circulation 1996;93:1043 (RMSSD); NeuroKit2 0.2, hrv_time"
  pnn50_percent:
    class: sensitive
    unit: "%"
    description: share of differences between successive intervals above 50 ms
    formula: "100 * n(|difference| > 50 ms, strictly) / n, where n is the number of intervals, not of differences"
    source: "NeuroKit2 0.2, hrv_time; hrv-analysis 1.0.5 divides by n - 1 instead"
*/
-- 719 = FUTURE | OUT_OF_RANGE | DUP_EXACT | DUP_CROSS_SOURCE | LOW_CONFIDENCE | TIME_ONLY | COUNTED_ELSEWHERE: rows that
-- count nowhere. An interval ends at its own time, so the next one of the same recording ends exactly its length later;
-- 100 ms allow for clocks that tell time in hundredths or thousandths. A missing or implausible interval ends a recording.
WITH beats AS (
    SELECT
        pid,
        local_date,
        concat_ws('/', source_platform, source_app) AS source,
        epoch_us(start_utc) AS at_us,
        start_utc,
        value_num AS nn
    FROM heart
    WHERE signal = 'rr_interval' AND value_num IS NOT NULL AND coalesce(quality_flags, 0) & 719 = 0
),
marked AS (
    SELECT *, coalesce(at_us - lag(at_us) OVER series > 1000 * nn + 100000, true) AS begins
    FROM beats
    WINDOW series AS (PARTITION BY pid, local_date, source ORDER BY at_us, nn)
),
numbered AS (
    SELECT *, count(*) FILTER (WHERE begins) OVER (PARTITION BY pid, local_date, source ORDER BY at_us, nn) AS recording
    FROM marked
),
differenced AS (
    SELECT *, nn - lag(nn) OVER (PARTITION BY pid, local_date, source, recording ORDER BY at_us, nn) AS difference
    FROM numbered
)
SELECT
    pid,
    local_date,
    source,
    recording,
    min(start_utc) AS start_utc,
    count(*) AS intervals,
    sum(nn) / 60000 AS minutes,
    avg(nn) AS mean_nn_ms,
    stddev_samp(nn) AS sdnn_ms,
    sqrt(avg(difference * difference)) AS rmssd_ms,
    100 * count(*) FILTER (WHERE abs(difference) > 50) / count(*) AS pnn50_percent
FROM differenced
GROUP BY pid, local_date, source, recording
