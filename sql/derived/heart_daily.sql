/* model
name: heart_daily
zone: derived
grain: one row per person per local day
keys: [pid, local_date]
owner: data-platform
reads: [heart]
period: day
retention_class: derived/default
erasure: rewrite
disclosure: null
columns:
  pid: {class: ordinary, description: pseudonym of the derived zone}
  local_date: {class: ordinary, description: local calendar day of the readings}
  readings: {class: ordinary, description: heart rate readings that the day is computed from}
  mean_bpm: {class: sensitive, unit: "/min", description: mean heart rate, formula: arithmetic mean of the readings, source: "LOINC 8867-4"}
  min_bpm: {class: sensitive, unit: "/min", description: lowest heart rate, formula: smallest reading, source: "LOINC 8867-4"}
  max_bpm: {class: sensitive, unit: "/min", description: highest heart rate, formula: largest reading, source: "LOINC 8867-4"}
  resting_bpm_estimate:
    class: sensitive
    unit: "/min"
    description: resting heart rate estimated from the readings; null unless some 30 minutes are fully covered
    formula: lowest mean of six consecutive 5-minute means, none of them missing
    source: "Garmin Support Center, resting heart rate: lowest 30-minute average in a 24-hour period; bins and coverage declared here"
  resting_bpm_reported: {class: sensitive, unit: "/min", description: resting heart rate as devices report it, formula: arithmetic mean of the reported values, source: "LOINC 40443-4"}
  hrv_sdnn_ms:
    class: sensitive
    unit: ms
    description: heart rate variability as SDNN; never mixed with RMSSD, which measures something else
    formula: arithmetic mean of the SDNN values that devices report
    source: "Task Force of the ESC and NASPE, Circulation 1996;93:1043 (SDNN); LOINC 80404-7"
  hrv_rmssd_ms:
    class: sensitive
    unit: ms
    description: heart rate variability as RMSSD; never mixed with SDNN
    formula: arithmetic mean of the RMSSD values that devices report
    source: "Task Force of the ESC and NASPE, Circulation 1996;93:1043 (RMSSD)"
*/
-- 719 = FUTURE | OUT_OF_RANGE | DUP_EXACT | DUP_CROSS_SOURCE | LOW_CONFIDENCE | TIME_ONLY | COUNTED_ELSEWHERE: rows that
-- count nowhere. A mean that a device made counts as one reading where no readings are; minima and maxima are no readings.
WITH usable AS (
    SELECT pid, local_date, signal, value_num, start_utc, coalesce(statistic, 'instant') AS statistic
    FROM heart
    WHERE value_num IS NOT NULL AND coalesce(quality_flags, 0) & 719 = 0
),
bins AS (
    SELECT pid, local_date, epoch_us(start_utc) // 300000000 AS bin, avg(value_num) AS bpm
    FROM usable
    WHERE signal = 'heart_rate' AND statistic NOT IN ('min', 'max')
    GROUP BY pid, local_date, bin
),
half_hours AS (
    SELECT
        pid,
        local_date,
        avg(bpm) OVER half_hour AS bpm,
        count(*) OVER half_hour = 6 AND bin - min(bin) OVER half_hour = 5 AS covered
    FROM bins
    WINDOW half_hour AS (PARTITION BY pid, local_date ORDER BY bin ROWS BETWEEN 5 PRECEDING AND CURRENT ROW)
),
resting AS (
    SELECT pid, local_date, min(bpm) AS bpm
    FROM half_hours
    WHERE covered
    GROUP BY pid, local_date
),
daily AS (
    SELECT
        pid,
        local_date,
        count(*) FILTER (WHERE signal = 'heart_rate' AND statistic NOT IN ('min', 'max')) AS readings,
        avg(value_num) FILTER (WHERE signal = 'heart_rate' AND statistic NOT IN ('min', 'max')) AS mean_bpm,
        min(value_num) FILTER (WHERE signal = 'heart_rate' AND statistic <> 'max') AS min_bpm,
        max(value_num) FILTER (WHERE signal = 'heart_rate' AND statistic <> 'min') AS max_bpm,
        avg(value_num) FILTER (WHERE signal = 'resting_heart_rate') AS resting_bpm_reported,
        avg(value_num) FILTER (WHERE signal = 'hrv_sdnn') AS hrv_sdnn_ms,
        avg(value_num) FILTER (WHERE signal = 'hrv_rmssd') AS hrv_rmssd_ms
    FROM usable
    WHERE signal IN ('heart_rate', 'resting_heart_rate', 'hrv_sdnn', 'hrv_rmssd')
    GROUP BY pid, local_date
)
SELECT
    daily.pid,
    daily.local_date,
    daily.readings,
    daily.mean_bpm,
    daily.min_bpm,
    daily.max_bpm,
    resting.bpm AS resting_bpm_estimate,
    daily.resting_bpm_reported,
    daily.hrv_sdnn_ms,
    daily.hrv_rmssd_ms
FROM daily
LEFT JOIN resting ON daily.pid = resting.pid AND daily.local_date = resting.local_date
