#include "daemon/control/name_calls.hpp"

#include "daemon/config/address_text.hpp"
#include "daemon/control/varlink_message.hpp"

namespace tapioca {

namespace json = boost::json;

namespace {

constexpr std::size_t at_a_time = 32; ///< of names, each of which may have a thousand addresses

class listing_call final : public running_call {
public:
    explicit listing_call(const name_register* names) : names_(names) {}

    state look(std::string& out) override
    {
        const auto some = names_ == nullptr ? std::vector<known_name>{} : names_->names_behind(last_, at_a_time);
        json::array shown;
        for (const auto& one : some) {
            last_ = one.number;
            json::array addresses;
            for (const auto& place : one.addresses)
                addresses.push_back(
                    json::object{{"address", to_text(place.address)},
                                 {"seconds", std::chrono::duration_cast<std::chrono::seconds>(place.left).count()}});
            shown.push_back(json::object{{"name", one.name}, {"addresses", std::move(addresses)}});
        }
        const bool more = some.size() == at_a_time;
        varlink::put_reply(out, {{"names", std::move(shown)}}, more ? varlink::continues::yes : varlink::continues::no);
        return more ? state::goes_on : state::done;
    }

private:
    const name_register* names_;
    std::uint32_t last_ = 0;
};

} // namespace

std::unique_ptr<running_call> begin_listing_names(const name_register* names) { return std::make_unique<listing_call>(names); }

} // namespace tapioca
