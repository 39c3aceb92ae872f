"""Caches: of the site alone, bounded, on a socket; a queue beside it only where the project keeps something in Redis."""

import pytest
from described import MIB, SYSTEMS, compare_disk, shop_placement

from nuages.components.cache.needs import cache_name
from nuages.components.contract import Machine
from nuages.components.registry import cache


CELERY = {"celery": {"app": "shop", "broker": "redis://localhost:6379/0", "result_backend": "redis://localhost:6379/0"}}
CASES = {
    "valkey-cache": ("valkey", {}),
    "valkey-cache-and-queue": ("valkey", {"facts": {"tasks": CELERY}}),
    "valkey-one-gigabyte": ("valkey", {"memory": 960 * MIB, "facts": {"tasks": CELERY}}),
    "redis-cache-and-queue-debian-12": ("redis", {"system": "debian-12", "facts": {"tasks": CELERY}}),
    "memcached-cache": ("memcached", {}),
}


@pytest.mark.parametrize("case", CASES)
def test_it_describes(case, golden):
    name, how = CASES[case]
    placement = shop_placement(**how)
    compare_disk(golden, case, cache(name, placement.machine).describe(placement))


@pytest.mark.parametrize(
    ("system", "name"), [("debian-13", "valkey"), ("debian-12", "redis"), ("ubuntu-22.04", "redis"), ("ubuntu-24.04", "redis")]
)
def test_auto_is_valkey_where_the_system_packages_it(system, name):
    os, version = SYSTEMS[system]
    assert cache_name(Machine(os=os, os_version=version)) == name


@pytest.mark.parametrize("version", ["", "sid", "testing"])
def test_a_version_that_is_no_number_gets_what_every_system_has(version):
    assert cache_name(Machine(os="debian", os_version=version)) == "redis"


def exports(**uses):
    return cache("valkey", Machine()).exports(shop_placement().topology, {"versions": {"django": "5.2"}, **uses})


CACHE, QUEUE = "unix:///run/shop-cache/cache.sock?db=0", "unix:///run/shop-queue/queue.sock?db=0"
BROKER = "redis+socket:///run/shop-queue/queue.sock?virtual_host=0"


def test_a_project_that_keeps_nothing_in_redis_has_one_instance():
    assert exports() == {"CACHE_URL": CACHE, "REDIS_URL": CACHE}


def test_what_reads_a_redis_url_gets_the_instance_that_forgets_nothing():
    found = exports(reads=["DEBUG", "REDIS_URL", "CHANNELS_REDIS_URL", "REDIS_HOST"])
    assert found == {"CACHE_URL": CACHE, "REDIS_URL": QUEUE, "CHANNELS_REDIS_URL": QUEUE}


def test_before_anything_is_known_the_common_names_are_given():
    assert cache("valkey", Machine()).exports(shop_placement().topology, {}) == {"CACHE_URL": CACHE, "REDIS_URL": QUEUE}


@pytest.mark.parametrize("broker", ["", "redis://localhost:6379/1", "unix:///run/shop-queue/queue.sock?db=0"])
def test_celery_gets_the_queue_in_its_own_spelling(broker):
    found = exports(facts={"tasks": {"celery": {"app": "shop", "broker": broker}}}, reads=["BROKER_URL"])
    assert (found["CELERY_BROKER_URL"], found["BROKER_URL"]) == (BROKER, BROKER)


@pytest.mark.parametrize("broker", ["amqp://***@rabbit-1", "sqs://", "memory://"])
def test_a_celery_that_has_another_broker_keeps_it(broker):
    assert "CELERY_BROKER_URL" not in exports(facts={"tasks": {"celery": {"app": "shop", "broker": broker}}})


def test_results_that_go_to_the_database_stay_there():
    tasks = {"celery": {**CELERY["celery"], "result_backend": "django-db"}}
    assert "CELERY_RESULT_BACKEND" not in exports(facts={"tasks": tasks}, reads=["CELERY_RESULT_BACKEND"])
    assert exports(facts={"tasks": CELERY}, reads=["CELERY_RESULT_BACKEND"])["CELERY_RESULT_BACKEND"] == BROKER


@pytest.mark.parametrize(
    "facts",
    [
        {"tasks": {"rq": {"queues": ["default"]}}},
        {"tasks": {"huey": {"class": "huey.RedisHuey"}}},
        {"tasks": {"dramatiq": {"broker": "dramatiq.brokers.redis.RedisBroker"}}},
        {"channels": {"layers": {"default": "channels_redis.core.RedisChannelLayer"}}},
    ],
    ids=["rq", "huey", "dramatiq", "channels"],
)
def test_what_waits_in_redis_has_an_instance_that_forgets_nothing(facts):
    placement = shop_placement(facts=facts)
    names = [d.name for d in cache("auto", placement.machine).describe(placement)]
    assert names == ["valkey-cache", "valkey-queue"]


def test_a_django_without_a_redis_cache_is_given_no_client():
    assert cache("redis", Machine()).requires({"versions": {"django": "3.2.25"}}) == ()


def text(placement, ending):
    return next(
        f.content for d in cache("valkey", placement.machine).describe(placement) for f in d.files if f.path.endswith(ending)
    )


def test_a_cache_forgets_what_was_used_least_and_a_queue_nothing_that_has_no_time_to_live():
    placement = shop_placement(facts={"tasks": CELERY})
    kept, lost = text(placement, "queue.conf"), text(placement, "cache.conf")
    assert "maxmemory-policy volatile-lru" in kept
    assert "appendonly yes" in kept
    assert "maxmemory-policy allkeys-lru" in lost
    assert "appendonly no" in lost
