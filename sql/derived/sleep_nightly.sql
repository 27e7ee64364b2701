/* model
name: sleep_nightly
zone: derived
grain: one row per person per night, dated by the day of waking up
keys: [pid, local_date]
owner: data-platform
reads: [sleep]
period: month
retention_class: derived/default
erasure: rewrite
disclosure: null
columns:
  pid: {class: ordinary, description: pseudonym of the derived zone}
  local_date: {class: ordinary, description: local calendar day of waking up}
  records: {class: ordinary, description: records of the night's one source that it is computed from}
  basis: {class: ordinary, description: "`stages` where a source scored stages, `episode` where one only gave the sleep time"}
  night_start_utc: {class: sensitive, description: first record of the night}
  night_end_utc: {class: sensitive, description: end of the last record of the night}
  time_in_bed_min:
    class: sensitive
    unit: min
    description: time in bed; null where the source records neither bed nor wake time
    formula: last end - first start of the night's records other than out_of_bed
    source: "YASA 0.6, sleep_statistics (TIB)"
  total_sleep_min: {class: sensitive, unit: min, description: total sleep time, formula: minutes scored as any sleep stage; an instant counts once, source: "YASA 0.6, sleep_statistics (TST); LOINC 93832-4"}
  light_min: {class: sensitive, unit: min, description: light sleep (N1 and N2), formula: minutes scored light, source: "LOINC 93830-8"}
  deep_min: {class: sensitive, unit: min, description: deep sleep (N3), formula: minutes scored deep, source: "LOINC 93831-6"}
  rem_min: {class: sensitive, unit: min, description: REM sleep, formula: minutes scored rem, source: "LOINC 93829-0"}
  unstaged_min: {class: sensitive, unit: min, description: sleep without a stage, formula: minutes scored asleep_unspecified, source: "Apple, HKCategoryValueSleepAnalysis.asleepUnspecified"}
  sleep_period_min: {class: sensitive, unit: min, description: sleep period time, formula: from the first to the last minute of sleep, source: "YASA 0.6, sleep_statistics (SPT)"}
  wake_after_onset_min: {class: sensitive, unit: min, description: wake after sleep onset, formula: minutes of the sleep period scored awake or out_of_bed or covered by in_bed alone, source: "YASA 0.6, sleep_statistics (WASO)"}
  unscored_min: {class: sensitive, unit: min, description: minutes of the sleep period that no record covers, formula: SPT - TST - WASO, source: "YASA 0.6, sleep_statistics (Uns)"}
  latency_min: {class: sensitive, unit: min, description: sleep onset latency; null where time in bed is, formula: first minute of sleep - start of the time in bed, source: "YASA 0.6, sleep_statistics (SOL)"}
  efficiency_percent: {class: sensitive, unit: "%", description: sleep efficiency, formula: 100 * TST / TIB, source: "YASA 0.6, sleep_statistics (SE)"}
  maintenance_percent: {class: sensitive, unit: "%", description: sleep maintenance efficiency, formula: 100 * TST / SPT, source: "YASA 0.6, sleep_statistics (SME)"}
*/
-- 719 = FUTURE | OUT_OF_RANGE | DUP_EXACT | DUP_CROSS_SOURCE | LOW_CONFIDENCE | TIME_ONLY | COUNTED_ELSEWHERE: rows that
-- count nowhere.
WITH usable AS (
    SELECT
        pid,
        local_date,
        signal,
        coalesce(value_code, stage) AS stage,
        value_num,
        start_utc,
        end_utc,
        concat_ws(chr(31), coalesce(source_platform, ''), coalesce(source_app, ''), coalesce(device_make, ''), coalesce(device_model, '')) AS source
    FROM sleep
    WHERE end_utc > start_utc AND coalesce(quality_flags, 0) & 719 = 0
),
-- A sweep over the starts and ends of one source's records cuts the time into pieces; each piece gets one stage, so
-- that records which overlap (InBed over Asleep, Fitbit's short wakes over stages) are never summed.
edges AS (
    SELECT pid, local_date, source, stage, epoch_us(start_utc) AS moment, 1 AS step FROM usable WHERE signal = 'sleep_stage'
    UNION ALL
    SELECT pid, local_date, source, stage, epoch_us(end_utc) AS moment, -1 AS step FROM usable WHERE signal = 'sleep_stage'
),
levels AS (
    SELECT
        pid,
        local_date,
        source,
        moment,
        lead(moment) OVER sweep AS till,
        sum(step) OVER sweep AS covering,
        sum(CASE WHEN stage = 'out_of_bed' THEN step ELSE 0 END) OVER sweep AS out_of_bed,
        sum(CASE WHEN stage = 'awake' THEN step ELSE 0 END) OVER sweep AS awake,
        sum(CASE WHEN stage = 'rem' THEN step ELSE 0 END) OVER sweep AS rem,
        sum(CASE WHEN stage = 'deep' THEN step ELSE 0 END) OVER sweep AS deep,
        sum(CASE WHEN stage = 'light' THEN step ELSE 0 END) OVER sweep AS light,
        sum(CASE WHEN stage = 'asleep_unspecified' THEN step ELSE 0 END) OVER sweep AS unstaged
    FROM edges
    WINDOW sweep AS (PARTITION BY pid, local_date, source ORDER BY moment, step DESC, stage ROWS UNBOUNDED PRECEDING)
),
pieces AS (
    SELECT
        pid,
        local_date,
        source,
        moment,
        till,
        (till - moment) / 60000000 AS minutes,
        CASE
            WHEN covering = 0 THEN 'gap'
            WHEN out_of_bed > 0 THEN 'out_of_bed'
            WHEN awake > 0 THEN 'awake'
            WHEN rem > 0 THEN 'rem'
            WHEN deep > 0 THEN 'deep'
            WHEN light > 0 THEN 'light'
            WHEN unstaged > 0 THEN 'asleep'
            ELSE 'in_bed'
        END AS state
    FROM levels
    WHERE till > moment
),
-- Records less than 60 minutes apart are one session (van Hees et al., Sci Rep 2018;8:12975), so a nap is not the night.
sessions AS (
    SELECT
        *,
        count(*) FILTER (WHERE state = 'gap' AND minutes >= 60) OVER (
            PARTITION BY pid, local_date, source ORDER BY moment ROWS UNBOUNDED PRECEDING
        ) AS session
    FROM pieces
),
bounds AS (
    SELECT
        pid,
        local_date,
        source,
        session,
        min(moment) FILTER (WHERE state IN ('light', 'deep', 'rem', 'asleep')) AS onset,
        max(till) FILTER (WHERE state IN ('light', 'deep', 'rem', 'asleep')) AS offset_at,
        min(moment) FILTER (WHERE state <> 'out_of_bed') AS bed_start,
        max(till) FILTER (WHERE state <> 'out_of_bed') AS bed_end,
        min(moment) AS first_at,
        max(till) AS last_until,
        bool_or(state IN ('awake', 'in_bed', 'out_of_bed')) AS bed_known
    FROM sessions
    WHERE state <> 'gap'
    GROUP BY pid, local_date, source, session
),
nights AS (
    SELECT
        pieces.pid,
        pieces.local_date,
        pieces.source,
        pieces.session,
        any_value(bounds.onset) AS onset,
        any_value(bounds.offset_at) AS offset_at,
        any_value(bounds.bed_start) AS bed_start,
        any_value(bounds.bed_end) AS bed_end,
        any_value(bounds.first_at) AS first_at,
        any_value(bounds.last_until) AS last_until,
        any_value(bounds.bed_known) AS bed_known,
        coalesce(sum(pieces.minutes) FILTER (WHERE state IN ('light', 'deep', 'rem', 'asleep')), 0) AS asleep,
        coalesce(sum(pieces.minutes) FILTER (WHERE state = 'light'), 0) AS light,
        coalesce(sum(pieces.minutes) FILTER (WHERE state = 'deep'), 0) AS deep,
        coalesce(sum(pieces.minutes) FILTER (WHERE state = 'rem'), 0) AS rem,
        coalesce(sum(pieces.minutes) FILTER (WHERE state = 'asleep'), 0) AS unstaged,
        coalesce(sum(pieces.minutes) FILTER (
            WHERE state IN ('awake', 'out_of_bed', 'in_bed') AND moment >= bounds.onset AND till <= bounds.offset_at
        ), 0) AS waso
    FROM sessions AS pieces
    INNER JOIN bounds
        ON pieces.pid = bounds.pid AND pieces.local_date = bounds.local_date
        AND pieces.source = bounds.source AND pieces.session = bounds.session
    WHERE pieces.state <> 'gap'
    GROUP BY pieces.pid, pieces.local_date, pieces.source, pieces.session
),
-- One session of one source is the night: of the sources that score stages for at least half of the longest sleep, else of
-- all, the one with the most sleep; then the longest, then by name.
ranked AS (
    SELECT
        *,
        light + deep + rem > 0 AND 2 * asleep >= max(asleep) OVER (PARTITION BY pid, local_date) AS staged
    FROM nights
),
chosen AS (
    SELECT *
    FROM ranked
    QUALIFY row_number() OVER (
        PARTITION BY pid, local_date
        ORDER BY staged DESC, asleep DESC, last_until - first_at DESC, source, first_at
    ) = 1
),
recorded AS (
    SELECT chosen.pid, chosen.local_date, count(*) AS records
    FROM chosen
    INNER JOIN usable
        ON usable.pid = chosen.pid AND usable.local_date = chosen.local_date AND usable.source = chosen.source
        AND usable.signal = 'sleep_stage' AND epoch_us(usable.start_utc) >= chosen.first_at
        AND epoch_us(usable.end_utc) <= chosen.last_until
    GROUP BY chosen.pid, chosen.local_date
),
episodes AS (
    SELECT *
    FROM usable
    WHERE signal = 'sleep_episode' AND value_num IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY pid, local_date ORDER BY value_num DESC, source, start_utc) = 1
)
SELECT
    chosen.pid,
    chosen.local_date,
    recorded.records,
    'stages' AS basis,
    make_timestamptz(chosen.first_at) AS night_start_utc,
    make_timestamptz(chosen.last_until) AS night_end_utc,
    CASE WHEN bed_known THEN (bed_end - bed_start) / 60000000 END AS time_in_bed_min,
    CASE WHEN asleep > 0 THEN asleep END AS total_sleep_min,
    CASE WHEN asleep > 0 THEN light END AS light_min,
    CASE WHEN asleep > 0 THEN deep END AS deep_min,
    CASE WHEN asleep > 0 THEN rem END AS rem_min,
    CASE WHEN asleep > 0 THEN unstaged END AS unstaged_min,
    (offset_at - onset) / 60000000 AS sleep_period_min,
    CASE WHEN asleep > 0 THEN waso END AS wake_after_onset_min,
    (offset_at - onset) / 60000000 - asleep - waso AS unscored_min,
    CASE WHEN bed_known THEN (onset - bed_start) / 60000000 END AS latency_min,
    CASE WHEN bed_known AND asleep > 0 THEN 100 * asleep / ((bed_end - bed_start) / 60000000) END AS efficiency_percent,
    100 * asleep / ((offset_at - onset) / 60000000) AS maintenance_percent
FROM chosen
INNER JOIN recorded ON chosen.pid = recorded.pid AND chosen.local_date = recorded.local_date
UNION ALL
SELECT
    episodes.pid,
    episodes.local_date,
    1 AS records,
    'episode' AS basis,
    episodes.start_utc AS night_start_utc,
    episodes.end_utc AS night_end_utc,
    NULL AS time_in_bed_min,
    episodes.value_num AS total_sleep_min,
    NULL AS light_min,
    NULL AS deep_min,
    NULL AS rem_min,
    NULL AS unstaged_min,
    NULL AS sleep_period_min,
    NULL AS wake_after_onset_min,
    NULL AS unscored_min,
    NULL AS latency_min,
    NULL AS efficiency_percent,
    NULL AS maintenance_percent
FROM episodes
WHERE NOT EXISTS (
    SELECT 1
    FROM chosen
    WHERE chosen.pid = episodes.pid AND chosen.local_date = episodes.local_date
)
