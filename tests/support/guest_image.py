"""What a test's guest boots from: the distribution's kernel, and an initramfs of busybox, further programs, and the modules it needs.

The kernel is one that is installed, or else Debian's linux-image-cloud-amd64, unpacked (not installed) into the build tree; also that
of another release of Debian.
"""
import fcntl
import glob
import gzip
import lzma
import os
import re
import shutil
import subprocess
import tempfile

PACKAGE = "linux-image-cloud-amd64"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
DRIVERS = ("virtio_pci", "virtio_net")
INIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "guest")


class Unavailable(Exception):
    """Why no guest can be had on this machine."""


class Kernel:
    def __init__(self, image, modules):
        self.image, self.modules = image, modules
        self.files = {}
        for path in glob.glob(f"{modules}/kernel/**/*.ko*", recursive=True):
            self.files[os.path.basename(path).split(".ko")[0].replace("-", "_")] = path
        with open(f"{modules}/modules.builtin") as f:
            self.builtin = {os.path.basename(line.strip())[:-3].replace("-", "_") for line in f}

    def module(self, name):
        path = self.files[name]
        with (lzma.open if path.endswith(".xz") else gzip.open if path.endswith(".gz") else open)(path, "rb") as f:
            return f.read()

    def load_order(self, names, order=None):
        """The modules behind the names, each after those that it depends on."""
        order = {} if order is None else order
        for name in names:
            if name not in order and name not in self.builtin:
                content = self.module(name)
                depends = re.search(rb"\0depends=([^\0]*)\0", content)[1].decode()
                self.load_order([d.replace("-", "_") for d in depends.split(",") if d], order)
                order[name] = content
        return order


def _kernels(root):
    """The kernels below root that can drive the card."""
    for image in sorted(glob.glob(f"{root}/boot/vmlinuz-*"), reverse=True):
        version = os.path.basename(image)[len("vmlinuz-"):]
        for modules in (f"{root}/usr/lib/modules/{version}", f"{root}/lib/modules/{version}"):
            if os.path.exists(f"{modules}/modules.builtin"):
                kernel = Kernel(image, modules)
                if all(d in kernel.builtin or kernel.files.get(d, "").endswith((".ko", ".ko.xz", ".ko.gz")) for d in DRIVERS):
                    yield kernel


def _apt(*argv, cwd=None):
    try:
        return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=240, env={**os.environ, "LC_ALL": "C"})
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"no kernel for a guest: {error}") from None


def _other_release(release, scratch):
    """Options that make apt see that release of Debian and nothing else, with its files in a folder of their own."""
    for folder in ("lists/partial", "cache/archives/partial"):
        os.makedirs(f"{scratch}/{folder}")
    with open(f"{scratch}/source", "w") as f:
        f.write(f"deb [signed-by={KEYRING}] http://deb.debian.org/debian {release} main\n")
    with open(f"{scratch}/status", "w"):
        pass
    places = {"Etc::sourcelist": f"{scratch}/source", "Etc::sourceparts": "-", "State::lists": f"{scratch}/lists",
              "State::status": f"{scratch}/status", "Cache": f"{scratch}/cache"}
    return [word for name, place in places.items() for word in ("-o", f"Dir::{name}={place}")]


def _download(root, release=None):
    """Unpacks the newest kernel package below root; release: of Debian, in the place of the one that runs here."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(root)) as scratch:
        options = ["-o", "APT::Sandbox::User=root", *(_other_release(release, scratch) if release else ())]
        depends = _apt("apt-cache", *options, "depends", PACKAGE).stdout
        if not (name := re.search(r"Depends: (linux-image-\d\S+)", depends)):
            _apt("apt-get", *options, "update", "-qq")
            name = re.search(r"Depends: (linux-image-\d\S+)", _apt("apt-cache", *options, "depends", PACKAGE).stdout)
        if not name:
            raise Unavailable(f"no kernel for a guest: none is installed, and no package source offers {PACKAGE}{f' of {release}' if release else ''}")
        got = _apt("apt-get", *options, "download", "-q", name[1], cwd=scratch)
        packages = glob.glob(f"{scratch}/*.deb")
        if not packages:
            raise Unavailable(f"no kernel for a guest: {' '.join(got.stderr.split())[-200:]}")
        unpacked = _apt("dpkg-deb", "-x", packages[0], f"{scratch}/root")
        if unpacked.returncode:
            raise Unavailable(f"no kernel for a guest: {unpacked.stderr.strip()}")
        os.rename(f"{scratch}/root", root)


def find_kernel(cache, release=None):
    """A kernel that is installed, or that an earlier run has unpacked, or that we unpack now; release: that one of Debian."""
    os.makedirs(cache, exist_ok=True)
    root = os.path.join(cache, f"kernel-{release}" if release else "kernel")
    with open(os.path.join(cache, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for place in (root,) if release else ("", root):
            for kernel in _kernels(place):
                return kernel
        if os.path.exists(root):
            raise Unavailable(f"no kernel for a guest: {root} holds none that can be used; remove it to try again")
        _download(root, release)
        for kernel in _kernels(root):
            return kernel
    raise Unavailable("no kernel for a guest: the package holds none")


class _Archive:
    """A cpio archive in the format that the kernel unpacks ("newc": Documentation/driver-api/early-userspace/buffer-format.rst)."""

    def __init__(self):
        self.octets, self.inode, self.known = bytearray(), 0, set()

    def add(self, path, mode, content=b""):
        path = path.strip("/")
        if path in self.known:
            return
        self.known.add(path)
        if parent := os.path.dirname(path):
            self.add(parent, 0o40755)
        self._entry(path, mode, content)

    def _entry(self, path, mode, content):
        self.inode += 1
        name = path.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
        self.octets += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        self.octets += bytes(-len(self.octets) % 4)
        self.octets += content
        self.octets += bytes(-len(self.octets) % 4)

    def finish(self):
        self._entry("TRAILER!!!", 0, b"")
        return bytes(self.octets)

    def copy(self, source, path, mode=0o100755):
        with open(source, "rb") as f:
            self.add(path, mode, f.read())

    def program(self, source, path):
        """A program with the libraries that it needs, at the paths where its loader looks for them."""
        self.copy(source, path)
        listed = subprocess.run(["ldd", source], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            self.copy(os.path.realpath(library), library)


def build_initramfs(kernel, programs=(), modules=DRIVERS):
    """The initramfs as octets: busybox under all its names, dhclient if it is installed, more programs (in the place of busybox's of the
    same name), the modules, and tests/guest/init."""
    busybox = shutil.which("busybox")
    if not busybox:
        raise Unavailable("not installed: busybox")
    archive = _Archive()
    for directory in ("proc", "sys", "dev", "tmp", "etc", "var/lib/dhcp", "var/run"):
        archive.add(directory, 0o40755)
    for name in ("init", "lease"):
        archive.copy(os.path.join(INIT, name), name)
    archive.program(busybox, "bin/busybox")
    if dhclient := shutil.which("dhclient", path="/usr/sbin:/sbin"):
        archive.program(dhclient, "sbin/dhclient")
    for program in programs:
        archive.program(os.path.realpath(program), f"bin/{os.path.basename(program)}")
    for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        archive.add(f"bin/{applet}", 0o120777, b"busybox")
    loaded = kernel.load_order(modules)
    for name, content in loaded.items():
        archive.add(f"modules/{name}.ko", 0o100644, content)
    archive.add("modules/order", 0o100644, "".join(f"{name}.ko\n" for name in loaded).encode())
    return archive.finish()
