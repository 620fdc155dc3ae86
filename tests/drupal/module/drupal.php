<?php

/**
 * @file
 * Runs PHP code inside of a Drupal 6, as its own cron.php does.
 *
 * drupal.php URL CODE, in the directory of Drupal's index.php.
 */

$url = parse_url($argv[1]);
$_SERVER['HTTP_HOST'] = $url['host'] . (isset($url['port']) ? ':'. $url['port'] : '');
$_SERVER['SCRIPT_NAME'] = $_SERVER['PHP_SELF'] = '/index.php';
$_SERVER['SCRIPT_FILENAME'] = getcwd() .'/index.php';
$_SERVER['REQUEST_URI'] = '/';
$_SERVER['REQUEST_METHOD'] = 'GET';
$_SERVER['REMOTE_ADDR'] = '127.0.0.1';
$_SERVER['SERVER_SOFTWARE'] = '';
// Drupal 6 was written for PHP 5 and says things that PHP 7 calls deprecated.
error_reporting(E_ALL & ~E_NOTICE & ~E_DEPRECATED & ~E_STRICT);
require_once './includes/bootstrap.inc';
drupal_bootstrap(DRUPAL_BOOTSTRAP_FULL);
error_reporting(E_ALL & ~E_NOTICE & ~E_DEPRECATED & ~E_STRICT);
eval($argv[2]);
