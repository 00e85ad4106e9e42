# Runs a program in a pseudo terminal: `pty.py COLUMNS ROWS COMMAND ARGS...`. What the program writes goes to stdout as
# it is. Lines on stdin are JSON: {"type": TEXT} presses keys, {"resize": [COLUMNS, ROWS]}, {"hangup": true} closes the
# terminal. At the end one JSON line on stderr: the exit code, and whether the terminal is as it was.
import fcntl, json, os, select, signal, struct, subprocess, sys, termios

columns, rows, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
master, slave = os.openpty()


def resize(columns, rows):
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def become_job():
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


# This is the shell: the session's leader, with one job in the foreground, which can be stopped.
os.setsid()
fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
resize(columns, rows)
before = termios.tcgetattr(slave)
child = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, preexec_fn=become_job)
os.tcsetpgrp(slave, child.pid)
print(json.dumps({"pid": child.pid}), file=sys.stderr, flush=True)
pending = b""
inputs = [master, sys.stdin.fileno()]
while True:
    ready, _, _ = select.select(inputs, [], [], 0.05)
    if master in ready:
        os.write(sys.stdout.fileno(), os.read(master, 65536))
        continue
    if sys.stdin.fileno() in ready:
        read = os.read(sys.stdin.fileno(), 65536)
        if read == b"":
            inputs.remove(sys.stdin.fileno())
            child.kill()
        pending += read
        *lines, pending = pending.split(b"\n")
        for line in lines:
            order = json.loads(line)
            if "type" in order:
                os.write(master, order["type"].encode())
            if "resize" in order:
                resize(*order["resize"])
            if "hangup" in order:
                inputs.remove(master)
                os.close(master)
        continue
    if child.poll() is not None:
        break
try:
    restored = termios.tcgetattr(slave) == before
except termios.error:
    restored = None
print(json.dumps({"code": child.returncode, "restored": restored}), file=sys.stderr, flush=True)
