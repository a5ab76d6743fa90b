// Where this library lies, and with it what is installed beside it.
#pragma once

#include <string>
#include <vector>

namespace volute::runtime {

/// The folder of the library or program that this code is in.
std::string own_folder();

/// Where the compiler may be, in the order in which it is looked for.
std::vector<std::string> places_of_compiler();

/// The folder of kernels that came with the installation, for all users; it need not be there.
std::vector<std::string> places_of_kernels();

} // namespace volute::runtime
