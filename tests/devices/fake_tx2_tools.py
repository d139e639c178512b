"""The command-line tools of a fake TX2: nvpmodel, jetson_clocks and tegrastats, in the forms that
L4T 32 prints.

Each takes the root of its tree from FAKE_ROOT (empty: "/").
"""

NVPMODEL = r"""#!/bin/bash
R="$FAKE_ROOT"; S="$R/var/lib/nvpmodel/status"; NAMES=(%(names)s); CUR=%(mode)d
[ -f "$S" ] && CUR=$(sed -n 's/^pmode:0*\([0-9]\).*/\1/p' "$S")
case "$1" in
 -q) [ "$2" = "--verbose" ] && { echo "NVPM VERB: Config file: /etc/nvpmodel.conf"
       echo "NVPM VERB: parsing done for /etc/nvpmodel.conf"; }
     [ "$2" = "--verbose" ] || echo "NVPM WARN: fan mode is not set!"
     [ "$2" = "--verbose" ] && printf 'NVPM VERB: Current mode: '
     echo "NV Power Mode: ${NAMES[$CUR]}"; echo "$CUR"
     [ "$2" = "--verbose" ] && for f in cpu/cpu1/online cpu/cpu2/online; do
       v=$(cat "$R/sys/devices/system/$f"); c=${f#cpu/cpu}; c=${c%%%%/*}
       echo "NVPM VERB: PARAM CPU_ONLINE: ARG CORE_$c: PATH /sys/devices/system/$f: REAL_VAL: $v CONF_VAL: $v"; done
     true;;
 -p) echo "NVPM VERB: Config file: /etc/nvpmodel.conf"
     echo "NVPM VERB: parsing done for /etc/nvpmodel.conf"
     for i in "${!NAMES[@]}"; do echo "NVPM VERB: POWER_MODEL: ID=$i NAME=${NAMES[$i]}"; done
     echo "NVPM VERB: PM_CONFIG: DEFAULT=MAXP_CORE_ARM(3)";;
 -m) [ "$(id -u)" -ne 0 ] && { echo "NVPM ERROR: Error opening $S: 13"; echo "NVPM ERROR: failed to set power mode!"; exit 1; }
     [ "$2" -ge 0 ] && [ "$2" -le 4 ] || { echo "NVPM ERROR: invalid mode $2"; exit 1; }
     mkdir -p "$(dirname "$S")"; printf 'pmode:%%04d\n' "$2" > "$S";;
 *) echo "nvpmodel fake";;
esac
"""  # noqa: E501

JETSON_CLOCKS = r"""#!/bin/bash
R="$FAKE_ROOT"; C="$R/sys/devices/system/cpu"; G="$R/sys/devices/17000000.gp10b/devfreq/17000000.gp10b"
E="$R/sys/kernel/debug/bpmp/debug/clk/emc"
[ "$(id -u)" -ne 0 ] && { echo "Error: Please run as root(sudo)"; exit 1; }
w() { chmod u+w "$1" 2>/dev/null; echo "$2" > "$1"; }
case "$1" in
 --show)
  echo "SOC family:tegra186  Machine:quill"; echo "Online CPUs: $(cat $C/online)"
  for i in 0 1 2 3 4 5; do d=$C/cpu$i/cpufreq; [ "$(cat $C/cpu$i/online)" = 1 ] || continue
   echo "cpu$i: Online=1 Governor=$(cat $d/scaling_governor) MinFreq=$(cat $d/scaling_min_freq)" \
    "MaxFreq=$(cat $d/scaling_max_freq) CurrentFreq=$(cat $d/scaling_cur_freq) IdleStates: C1=1 c7=1"; done
  echo "GPU MinFreq=$(cat $G/min_freq) MaxFreq=$(cat $G/max_freq) CurrentFreq=$(cat $G/cur_freq)"
  echo "EMC MinFreq=$(cat $E/min_rate) MaxFreq=$(cat $E/max_rate) CurrentFreq=$(cat $E/rate) FreqOverride=$(cat $E/mrq_rate_locked)"
  echo "Fan: speed=0"; echo "NV Power Mode: $(nvpmodel -q 2>/dev/null | sed -n 's/NV Power Mode: //p')";;
 --store) F="${2:-$HOME/l4t_dfs.conf}"; [ -e "$F" ] && { echo "File $F already exists. Can I overwrite it? Y/N:"; exit 1; }
  for i in 0 3 4 5; do f=$C/cpu$i/cpufreq/scaling_min_freq; [ -f $f ] && echo "$f:$(cat $f)"; done > "$F"
  echo "$G/min_freq:$(cat $G/min_freq)" >> "$F"; echo "$E/rate:$(cat $E/rate)" >> "$F"; echo stored;;
 --restore) F="${2:-$HOME/l4t_dfs.conf}"; while IFS=: read -r p v; do w "$p" "$v"; done < "$F"
  w $E/mrq_rate_locked 0; w $G/cur_freq "$(cat $G/min_freq)"
  for i in 0 1 2 3 4 5; do d=$C/cpu$i/cpufreq; [ -d $d ] && w $d/scaling_min_freq 345600; done;;
 "") for i in 0 1 2 3 4 5; do d=$C/cpu$i/cpufreq; [ -d $d ] || continue; m=$(cat $d/scaling_max_freq)
  w $d/scaling_min_freq $m; w $d/scaling_cur_freq $m; done
  m=$(cat $G/max_freq); w $G/min_freq $m; w $G/cur_freq $m; w $E/rate "$(cat $E/max_rate)"; w $E/mrq_rate_locked 1;;
esac
exit 0
"""  # noqa: E501

# one line every --interval milliseconds; current/average in mW, in the field order of a real TX2
TEGRASTATS = r"""#!/usr/bin/env python3
import os, sys, time
R = os.environ.get('FAKE_ROOT', '')
iv = int(sys.argv[sys.argv.index('--interval') + 1]) if '--interval' in sys.argv else 1000
D = R + '/sys/bus/i2c/devices/'
RAILS = [('VDD_SYS_GPU', '0-0040', 0, 0), ('VDD_SYS_SOC', '0-0040', 0, 1), ('VDD_4V0_WIFI', '0-0040', 0, 2),
         ('VDD_IN', '0-0041', 1, 0), ('VDD_SYS_CPU', '0-0041', 1, 1), ('VDD_SYS_DDR', '0-0041', 1, 2)]
def rd(p):
    with open(p) as f:
        return f.read().strip()
acc, n = {}, 0
while True:
    n += 1
    out = []
    for name, dev, idx, ch in RAILS:
        p = D + dev + '/iio:device%d/in_power%d_input' % (idx, ch)
        if not os.path.exists(p):
            continue
        v = int(rd(p)); acc[name] = acc.get(name, 0) + v
        out.append('%s %d/%d' % (name, v, acc[name] // n))
    z = {}
    for i in range(8):
        b = R + '/sys/devices/virtual/thermal/thermal_zone%d/' % i
        z[rd(b + 'type').split('-')[0].split('_')[0]] = '%g' % (int(rd(b + 'temp')) / 1000.0)
    temps = ' '.join('%s@%sC' % (k, z[k]) for k in ('PLL', 'MCPU', 'PMIC', 'Tboard', 'GPU', 'BCPU', 'thermal', 'Tdiode'))
    cpus = ','.join('0%@345' if rd(R + '/sys/devices/system/cpu/cpu%d/online' % i) == '1' else 'off' for i in range(6))
    print('RAM 1004/7852MB (lfb 7x2MB) CPU [%s] EMC_FREQ 17%%@40 GR3D_FREQ %d%%@%d APE 150 MTS fg 0%% bg 0%% %s %s' % (
        cpus, int(rd(R + '/sys/devices/gpu.0/load')) // 10,
        int(rd(R + '/sys/class/devfreq/17000000.gp10b/cur_freq')) // 1000000, temps, ' '.join(out)))
    sys.stdout.flush()
    time.sleep(iv / 1000.0)
"""  # noqa: E501
