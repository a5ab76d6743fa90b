#include "runtime/replace_files.h"

#include "runtime/file.h"

#include <climits>
#include <fmt/format.h>
#include <xxhash.h>

#include <cerrno>
#include <deque>
#include <fcntl.h>
#include <linux/magic.h>
#include <optional>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace volute::runtime {
namespace {

constexpr int most_links = 40; // the system's own limit

/// What has to hold for the system to allow it.
std::string rule_behind(int error, const std::string& folder) {
  switch (error) {
  case ENOENT: return fmt::format("there is no folder {}", folder);
  case ENOTDIR: return fmt::format("{} is no folder", folder);
  case EISDIR: return "a file cannot take a folder's place";
  case EACCES:
  case EPERM: return fmt::format("the folder {} must let you make files in it", folder);
  case EROFS: return fmt::format("the folder {} is on a disk that is only read", folder);
  case ELOOP: return "symbolic links must lead to an end";
  case ENAMETOOLONG:
    return fmt::format("a name has at most {} bytes, a path {}", NAME_MAX, PATH_MAX - 1);
  case ENOSPC:
  case EDQUOT: return "a file and what it replaces must fit beside each other";
  default: return "";
  }
}

Diagnostic refused(const std::string& path, int error, const std::string& folder) {
  return {{}, path, system_words(error), rule_behind(error, folder)};
}

/// A path's folder and name, as texts: "a/b" is "a" and "b", "b" is "." and "b".
struct Halves {
  std::string folder, name;
};
Halves halves_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

std::shared_ptr<const int> open_folder(int from, const std::string& folder) {
  const int fd = openat(from, folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  return {new int(fd), [](const int* open) {
            close(*open);
            delete open;
          }};
}

/// What the link says; nothing with errno set when there is none.
std::optional<std::string> link_at(int folder, const std::string& name) {
  char target[PATH_MAX];
  const ssize_t length = readlinkat(folder, name.c_str(), target, sizeof target);
  if (length < 0) return std::nullopt;
  return std::string(target, static_cast<size_t>(length));
}

/// A file that is open. Its lock ends with it, also where a child of the process has it open still.
class HeldFile {
public:
  HeldFile() = default;
  explicit HeldFile(int fd) : fd_(fd) {}
  HeldFile(HeldFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  HeldFile& operator=(HeldFile&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~HeldFile() {
    if (fd_ < 0) return;
    flock(fd_, LOCK_UN);
    close(fd_);
  }
  explicit operator bool() const { return fd_ >= 0; }
  int fd() const { return fd_; }

  /// Whether nobody else holds it; a file system without locks says so of no file.
  bool lock(int kind) const { return flock(fd_, kind | LOCK_NB) == 0; }

  bool is_at(int folder, const std::string& name) const {
    struct stat opened, named;
    return fstat(fd_, &opened) == 0 &&
           fstatat(folder, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
  }

private:
  int fd_ = -1;
};

/// A file on its way to its place.
class Arrival {
public:
  Arrival(const FilePlace& place, const std::string& path) : place_(place), path_(path) {}
  Arrival(const Arrival&) = delete;
  Arrival& operator=(const Arrival&) = delete;
  ~Arrival() {
    if (!beside_.empty()) unlinkat(folder(), beside_.c_str(), 0);
  }

  Status write(const std::function<Status(std::FILE*)>& write_into) {
    file_ = create_without_name();
    if (!file_) file_ = create_beside();
    if (!file_) return failed(errno);
    // Of its own, for a file without a name lives as long as it is open.
    const int own = fcntl(file_.fd(), F_DUPFD_CLOEXEC, 0);
    OpenFile file(own < 0 ? nullptr : fdopen(own, "wb"));
    if (!file) {
      const int error = errno;
      if (own >= 0) close(own);
      return failed(error);
    }
    if (Status status = write_into(file.get()); !status) return status;
    errno = 0;
    if (std::fclose(file.release()) != 0) return failed(errno);
    return {};
  }

  /// Into its place. What was there waits beside it, unless nobody will ask for it.
  Status take_place(bool may_go_back) {
    if (beside_.empty()) {
      if (link_as(place_.name)) return is_new(), Status();
      if (errno != EEXIST || !link_beside()) return failed(errno);
    }
    if (may_go_back) {
      if (rename(RENAME_NOREPLACE)) return beside_.clear(), is_new(), Status();
      if (errno == EEXIST) {
        replaced_ = open_to_lock(place_.name);
        if (replaced_) replaced_.lock(LOCK_SH);
        if (rename(RENAME_EXCHANGE)) return at_ = At::exchanged, Status();
      }
      if (errno != EINVAL && errno != ENOSYS) return failed(errno);
    }
    if (!rename(0)) return failed(errno);
    beside_.clear();
    return {};
  }

  void go_back() noexcept {
    if (at_ == At::new_place) unlinkat(folder(), place_.name.c_str(), 0);
    if (at_ == At::exchanged) rename(RENAME_EXCHANGE);
    at_ = At::nowhere;
  }

private:
  enum class At { nowhere, new_place, exchanged };

  int folder() const { return *place_.folder; }
  void is_new() { at_ = At::new_place; }
  Status failed(int error) const {
    return Status::failed(StatusCode::file_failed,
                          [&] { return refused(path_, error, halves_of(path_).folder); });
  }
  bool rename(unsigned flags) {
    return renameat2(folder(), beside_.c_str(), folder(), place_.name.c_str(), flags) == 0;
  }

  // The names beside one place are few and the same for every process, and what has one is locked
  // by who put it there, as long as they live. What is not was left behind, and is in the way.
  template <class Make>
  bool make_beside(Make make) {
    const uint64_t place = XXH3_64bits(place_.name.data(), place_.name.size());
    for (int attempt = 0; attempt < 100; ++attempt) {
      const std::string name = fmt::format(".volute-{:016x}-{}.tmp", place, attempt);
      if (make(name) || (errno == EEXIST && take_away(name) && make(name)))
        return beside_ = name, true;
      if (errno != EEXIST) return false;
    }
    return false;
  }

  HeldFile open_to_lock(const std::string& name) const {
    const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    return HeldFile(openat(folder(), name.c_str(), flags));
  }
  /// Removes what nobody holds; else errno is EEXIST.
  bool take_away(const std::string& name) const {
    const HeldFile left = open_to_lock(name);
    // Whoever was faster may have the name by now: then it leads to another file than was opened.
    if (left && left.lock(LOCK_EX) && left.is_at(folder(), name) &&
        unlinkat(folder(), name.c_str(), 0) == 0)
      return true;
    errno = EEXIST;
    return false;
  }

  static std::string as_open(int fd) { return fmt::format("/proc/self/fd/{}", fd); }
  bool link_as(const std::string& name) {
    return linkat(AT_FDCWD, as_open(file_.fd()).c_str(), folder(), name.c_str(),
                  AT_SYMLINK_FOLLOW) == 0;
  }
  bool link_beside() {
    return make_beside([&](const std::string& name) { return link_as(name); });
  }

  // 0666 less the user's umask, as any other file they write.
  HeldFile create_without_name() const {
    HeldFile file(openat(folder(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666));
    if (!file || access(as_open(file.fd()).c_str(), F_OK) != 0) return {}; // nothing could name it
    file.lock(LOCK_EX);
    return file;
  }
  HeldFile create_beside() {
    HeldFile file;
    const bool is_made = make_beside([&](const std::string& name) {
      file =
          HeldFile(openat(folder(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
      if (!file) return false;
      const bool may_be_ours = file.lock(LOCK_EX) || errno != EWOULDBLOCK;
      if (may_be_ours && file.is_at(folder(), name)) return true;
      errno = EEXIST; // somebody takes it away, having locked it first
      return false;
    });
    return is_made ? std::move(file) : HeldFile();
  }

  const FilePlace place_;
  const std::string path_;
  HeldFile file_, replaced_;
  std::string beside_; // a name in its folder: its own, or that of what it has replaced
  At at_ = At::nowhere;
};

Status write_in_place(const FileToWrite& file) {
  const auto failed = [&](int error) {
    return Status::failed(StatusCode::file_failed, [&] {
      return Diagnostic{{}, file.path, system_words(error), ""};
    });
  };
  OpenFile stream(std::fopen(file.path.c_str(), "wbe"));
  if (!stream) return failed(errno);
  if (Status status = file.write(stream.get()); !status) return status;
  errno = 0;
  if (std::fclose(stream.release()) != 0) return failed(errno);
  return {};
}

} // namespace

Expected<FilePlace> place_to_write(const std::string& path) {
  Halves halves = halves_of(path);
  FilePlace place;
  int from = AT_FDCWD;
  for (int links = 0; links <= most_links; ++links) {
    const auto refuse = [&](int error) { return fail(refused(path, error, halves.folder)); };
    const std::shared_ptr<const int> folder = open_folder(from, halves.folder);
    if (!folder) return refuse(errno);
    place.folder = folder;
    place.name = halves.name;
    if (place.name.empty() || place.name == "." || place.name == "..")
      return refuse(path.empty() ? ENOENT : EISDIR);
    if (const auto target = link_at(*folder, place.name)) {
      struct statfs system;
      // A link of /proc is no path: it is what is open.
      place.is_in_place = fstatfs(*folder, &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
      if (place.is_in_place) return place;
      from = *folder;
      halves = halves_of(*target);
      continue;
    }
    if (errno != EINVAL && errno != ENOENT) return refuse(errno);

    struct stat status;
    if (fstatat(*folder, place.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
      if (S_ISDIR(status.st_mode)) return refuse(EISDIR);
      place.is_in_place = !S_ISREG(status.st_mode);
    }
    if (fstat(*folder, &status) != 0) return refuse(errno);
    place.device = status.st_dev;
    place.inode = status.st_ino;
    if (place.is_in_place) return place;
    if (status.st_nlink == 0) return refuse(ENOENT); // it was removed while it was in use
    if (faccessat(*folder, ".", W_OK | X_OK, AT_EACCESS) != 0) return refuse(errno);
    return place;
  }
  return fail(refused(path, ELOOP, halves.folder));
}

Status replace_files(std::span<const FileToWrite> files) {
  std::vector<FilePlace> places;
  for (const FileToWrite& file : files) {
    if (!file.write)
      return Status(StatusCode::invalid_argument,
                    {{}, file.path, "there is nobody to write it", ""});
    Expected<FilePlace> place = place_to_write(file.path);
    if (!place) return Status(StatusCode::file_failed, place.diagnostics().front());
    for (size_t i = 0; i < places.size(); ++i)
      if (places[i] == *place)
        return Status(StatusCode::invalid_argument,
                      {{}, file.path, "is the same file as " + files[i].path, ""});
    places.push_back(std::move(*place));
  }
  std::deque<Arrival> arrivals;
  for (size_t i = 0; i < files.size(); ++i) {
    if (places[i].is_in_place) continue;
    Arrival& arrival = arrivals.emplace_back(places[i], files[i].path);
    if (Status status = arrival.write(files[i].write); !status) return status;
  }
  for (size_t i = 0; i < files.size(); ++i)
    if (places[i].is_in_place)
      if (Status status = write_in_place(files[i]); !status) return status;
  for (size_t i = 0; i < arrivals.size(); ++i) {
    Status status = arrivals[i].take_place(i + 1 < arrivals.size());
    if (status) continue;
    while (i-- > 0) arrivals[i].go_back();
    return status;
  }
  return {};
}

Status replace_file(const std::string& path, const std::function<Status(std::FILE*)>& write) {
  return replace_files({{{path, write}}});
}

} // namespace volute::runtime
