/* model
name: glucose_daily
zone: derived
grain: one row per person per local day
keys: [pid, local_date]
owner: data-platform
reads: [glucose]
period: day
retention_class: derived/default
erasure: rewrite
disclosure: null
columns:
  pid: {class: ordinary, description: pseudonym of the derived zone}
  local_date: {class: ordinary, description: local calendar day of the readings}
  readings: {class: ordinary, description: continuous (interstitial) readings that the day is computed from}
  mean_mg_dl: {class: special, unit: mg/dL, description: mean interstitial glucose, formula: arithmetic mean, source: "Battelino et al., Diabetes Care 2019;42:1593"}
  sd_mg_dl: {class: special, unit: mg/dL, description: standard deviation; null for one reading, formula: sample standard deviation (n - 1), source: "iglu 4.0, sd_glu"}
  cv_percent: {class: special, unit: "%", description: coefficient of variation, formula: 100 * sd / mean, source: "Battelino et al., Diabetes Care 2019;42:1593"}
  gmi_percent:
    class: special
    unit: "%"
    description: glucose management indicator; of one day, so a transform of its mean and no estimate of HbA1c
    formula: 3.31 + 0.02392 * mean in mg/dL
    source: "Bergenstal et al., Diabetes Care 2018;41:2275"
  time_in_range_percent: {class: special, unit: "%", description: share of readings from 70 to 180 mg/dL, formula: "100 * n(70 <= x <= 180) / n", source: "Battelino et al., Diabetes Care 2019;42:1593"}
  below_70_percent: {class: special, unit: "%", description: share of readings below 70 mg/dL and those below 54, formula: "100 * n(x < 70) / n", source: "Battelino et al., Diabetes Care 2019;42:1593"}
  below_54_percent: {class: special, unit: "%", description: share of readings below 54 mg/dL, formula: "100 * n(x < 54) / n", source: "Battelino et al., Diabetes Care 2019;42:1593"}
  above_180_percent: {class: special, unit: "%", description: share of readings above 180 mg/dL and those above 250, formula: "100 * n(x > 180) / n", source: "Battelino et al., Diabetes Care 2019;42:1593"}
  above_250_percent: {class: special, unit: "%", description: share of readings above 250 mg/dL, formula: "100 * n(x > 250) / n", source: "Battelino et al., Diabetes Care 2019;42:1593"}
  capillary_readings: {class: ordinary, description: finger-stick readings; never mixed with continuous ones}
  capillary_mean_mg_dl: {class: special, unit: mg/dL, description: mean capillary glucose, formula: arithmetic mean, source: "LOINC 41653-7"}
*/
-- 719 = FUTURE | OUT_OF_RANGE | DUP_EXACT | DUP_CROSS_SOURCE | LOW_CONFIDENCE | TIME_ONLY | COUNTED_ELSEWHERE: rows that
-- count nowhere.
-- A reading that the device only calls Low or High counts at the limit of its range, as the value says.
WITH usable AS (
    SELECT pid, local_date, signal, value_num
    FROM glucose
    WHERE value_num IS NOT NULL AND coalesce(quality_flags, 0) & 719 = 0
),
daily AS (
    SELECT
        pid,
        local_date,
        count(*) FILTER (WHERE signal = 'glucose_interstitial') AS readings,
        avg(value_num) FILTER (WHERE signal = 'glucose_interstitial') AS mean_mg_dl,
        stddev_samp(value_num) FILTER (WHERE signal = 'glucose_interstitial') AS sd_mg_dl,
        count(*) FILTER (WHERE signal = 'glucose_interstitial' AND value_num BETWEEN 70 AND 180) AS in_range,
        count(*) FILTER (WHERE signal = 'glucose_interstitial' AND value_num < 70) AS below_70,
        count(*) FILTER (WHERE signal = 'glucose_interstitial' AND value_num < 54) AS below_54,
        count(*) FILTER (WHERE signal = 'glucose_interstitial' AND value_num > 180) AS above_180,
        count(*) FILTER (WHERE signal = 'glucose_interstitial' AND value_num > 250) AS above_250,
        count(*) FILTER (WHERE signal = 'glucose_capillary') AS capillary_readings,
        avg(value_num) FILTER (WHERE signal = 'glucose_capillary') AS capillary_mean_mg_dl
    FROM usable
    WHERE signal IN ('glucose_interstitial', 'glucose_capillary')
    GROUP BY pid, local_date
)
SELECT
    pid,
    local_date,
    readings,
    mean_mg_dl,
    sd_mg_dl,
    100 * sd_mg_dl / mean_mg_dl AS cv_percent,
    3.31 + 0.02392 * mean_mg_dl AS gmi_percent,
    100 * in_range / nullif(readings, 0) AS time_in_range_percent,
    100 * below_70 / nullif(readings, 0) AS below_70_percent,
    100 * below_54 / nullif(readings, 0) AS below_54_percent,
    100 * above_180 / nullif(readings, 0) AS above_180_percent,
    100 * above_250 / nullif(readings, 0) AS above_250_percent,
    capillary_readings,
    capillary_mean_mg_dl
FROM daily
