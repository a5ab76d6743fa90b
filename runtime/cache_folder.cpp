#include "runtime/cache_folder.h"

#include "runtime/cache_entry.h"
#include "runtime/file.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace volute::runtime {
namespace {

constexpr int64_t largest_file = int64_t{2} << 30;
constexpr std::string_view on_its_way = ".tmp";

/// A descriptor that is closed at the end.
class Held {
public:
  explicit Held(int fd) : fd_(fd) {}
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() {
    if (fd_ >= 0) ::close(fd_);
  }
  explicit operator bool() const { return fd_ >= 0; }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

private:
  int fd_;
};

/// Why a file or folder may hold what somebody else wants this process to run.
std::optional<std::string> distrust(const struct stat& status) {
  if (status.st_uid != geteuid() && status.st_uid != 0)
    return fmt::format("it belongs to user {}, and this process is user {}'s", status.st_uid,
                       geteuid());
  // An access list shows in the group's bits.
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fmt::format("others may write it: its mode is {:04o}", status.st_mode & 07777);
  return std::nullopt;
}

int64_t ns_of(const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

int64_t on_disk(const struct stat& status) {
  constexpr int64_t block = 4096;
  return (status.st_size + block - 1) / block * block;
}

/// The folders above a path and itself, those that there are not.
int make_folders(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST && slash == std::string::npos)
      return errno; // of those above, the last one says what is wrong
    if (slash == std::string::npos) return 0;
  }
}

} // namespace

Expected<std::optional<CacheFolder>> CacheFolder::open(const std::string& given, bool make) {
  using Opened = std::optional<CacheFolder>;
  if (given.empty() || given.front() != '/')
    return fail(given, "a folder of kernels is named by its whole path, from / on");
  // With a slash at its end, a link would be followed.
  const std::string path =
      given.substr(0, given.find_last_not_of('/') + 1) + (given == "/" ? "/" : "");
  const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  int fd = ::open(path.c_str(), flags);
  if (fd < 0 && errno == ENOENT) {
    if (!make) return Opened();
    if (const int error = make_folders(path)) return fail(path, system_words(error));
    fd = ::open(path.c_str(), flags);
  }
  if (fd < 0) {
    const int error = errno;
    struct stat status;
    if (lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode))
      return fail(path, "it is a symbolic link", "name the folder that it leads to");
    return fail(path, system_words(error));
  }
  Held folder(fd);
  struct stat status;
  if (fstat(fd, &status) != 0) return fail(path, system_words(errno));
  if (const auto reason = distrust(status))
    return fail(path, *reason,
                fmt::format("kernels are kept where nobody else can put any: chmod go-w {}", path));
  std::shared_ptr<const int> shared(new int(folder.get()), [](const int* open) {
    ::close(*open);
    delete open;
  });
  folder.release();
  return Opened(CacheFolder(path, std::move(shared)));
}

Expected<std::optional<CacheFolder::File>> CacheFolder::read(const std::string& name,
                                                             size_t limit) const {
  const auto refuse = [&](std::string why) { return fail(path_ + "/" + name, std::move(why)); };
  // A pipe in its place must not hold this process up.
  const Held file(
      openat(*folder_, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file) {
    if (errno == ENOENT) return std::optional<File>();
    return refuse(errno == ELOOP ? "it is a symbolic link" : system_words(errno));
  }
  struct stat status;
  if (fstat(file.get(), &status) != 0) return refuse(system_words(errno));
  if (!S_ISREG(status.st_mode)) return refuse("it is no file");
  if (const auto reason = distrust(status)) return refuse(*reason);
  if (status.st_size > largest_file)
    return refuse(fmt::format("it has {} bytes, which no kernel has", status.st_size));
  File held;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  held.seconds_unused = now.tv_sec - status.st_mtim.tv_sec;
  held.bytes.resize(std::min(static_cast<size_t>(status.st_size), limit));
  for (size_t got = 0; got < held.bytes.size();) {
    const ssize_t more = ::read(file.get(), held.bytes.data() + got, held.bytes.size() - got);
    if (more < 0 && errno == EINTR) continue;
    if (more < 0) return refuse(system_words(errno));
    if (more == 0) held.bytes.resize(got);
    got += static_cast<size_t>(more);
  }
  return std::optional<File>(std::move(held));
}

void CacheFolder::mark_used(const std::string& name) const {
  const timespec times[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
  (void)utimensat(*folder_, name.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

Status CacheFolder::publish(const std::string& name, std::span<const std::byte> bytes) const {
  static std::atomic<uint32_t> count{0};
  constexpr int most_attempts = 100; // another process's names: one with our number, elsewhere
  std::string beside;
  const auto failed = [&](int error) {
    if (!beside.empty()) unlinkat(*folder_, beside.c_str(), 0);
    return Status::failed(StatusCode::file_failed, [&] {
      return Diagnostic{{}, path_, system_words(error), ""};
    });
  };
  int fd = -1;
  for (int attempt = 0; fd < 0 && attempt < most_attempts; ++attempt) {
    const std::string tried =
        fmt::format(".{}-{}-{}{}", name, getpid(), count.fetch_add(1), on_its_way);
    fd =
        openat(*folder_, tried.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0) beside = tried;
    if (fd < 0 && errno != EEXIST) return failed(errno);
  }
  if (fd < 0) return failed(EEXIST);
  Held file(fd);
  // Whoever may read the folder may read what is in it: a user's own is nobody else's, one that
  // root makes for all has the mode that root gave it. Whatever the umask, nobody else may write.
  struct stat folder;
  const mode_t readers = fstat(*folder_, &folder) == 0 ? folder.st_mode & 0044 : 0;
  if (fchmod(fd, 0600 | readers) != 0) return failed(errno);
  for (size_t put = 0; put < bytes.size();) {
    const ssize_t more = ::write(fd, bytes.data() + put, bytes.size() - put);
    if (more < 0 && errno == EINTR) continue;
    if (more <= 0) return failed(more < 0 ? errno : ENOSPC);
    put += static_cast<size_t>(more);
  }
  // Some file systems say only now that it did not fit. Not synchronised: after a power cut an
  // entry may be there and not what it was, which its checksum tells.
  if (::close(file.release()) != 0) return failed(errno);
  if (renameat(*folder_, beside.c_str(), *folder_, name.c_str()) != 0) return failed(errno);
  return {};
}

bool CacheFolder::remove(const std::string& name) const {
  return unlinkat(*folder_, name.c_str(), 0) == 0;
}

std::vector<CacheFolder::Item> CacheFolder::items() const {
  std::vector<Item> items;
  Held own(openat(*folder_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)); // with a place of its own
  if (!own) return items;
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(fdopendir(own.get()), closedir);
  if (!listing) return items;
  own.release();
  while (const dirent* entry = readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    const bool is_kernel = is_entry_name(name);
    const bool is_left = name.starts_with('.') && name.ends_with(on_its_way);
    struct stat status;
    if (!is_kernel && !is_left) continue;
    if (fstatat(*folder_, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISDIR(status.st_mode)) continue;
    items.push_back({entry->d_name, on_disk(status), ns_of(status.st_mtim), is_kernel});
  }
  return items;
}

bool CacheFolder::is_gone() const {
  struct stat status;
  return fstat(*folder_, &status) != 0 || status.st_nlink == 0;
}

} // namespace volute::runtime
